// Command etcd is etcd's own server. Its module replaces others by folders of its repository, so that `go install` refuses
// it; a module that requires it builds.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
