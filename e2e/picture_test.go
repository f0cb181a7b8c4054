package e2e

func makeTopPicture(p *person) {}
