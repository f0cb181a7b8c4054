// Package e2e plays the whole program in one browser: a person at a desk, and the same person's
// phone with a camera that sees a drawn card.
//
// It starts the real binary on embedded stores in a folder of its own, reads the QR code off a
// screenshot, and looks at the end for the photos in the store, byte for byte. On the way it
// photographs every page in both languages and both themes into e2e/out, lets axe-core look for
// what keeps people out, and measures how much the pages jump.
//
// Then it goes through everything that may happen on the way, event by event in every state: see matrix, which
// names the test of each.
//
// It needs Chromium and the pages (make web). Without Chromium it is skipped, which CI=true
// forbids. With
//
//	go test ./e2e -pictures
//
// it makes the pictures of docs/pictures again.
package e2e
