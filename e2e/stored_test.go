package e2e

func (p *person) stored() {}
