//go:build !race

package casebundle_test

const raceEnabled = false
