// Package deploy is an example of Symbolon on several nodes (README.md), and the test that holds
// it: three processes on a real Redis behind a real nginx with the configuration of this folder.
package deploy
