// Package tusd pins the program that uploads are compared with. It is a module of its own, because that program
// brings the clients of several clouds. Build it with
//
//	go build -o ../../bin/tusd github.com/tus/tusd/v2/cmd/tusd
package tusd

import _ "github.com/tus/tusd/v2/cmd/tusd/cli" // the parts that the program is made of
