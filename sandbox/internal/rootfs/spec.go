// Package rootfs turns a fresh process into a container: it gives it a root
// file system made of this machine's programs, mounts the pod's volumes, and
// becomes the container's command. The runtime in package cri writes a Spec;
// `drover-sandbox-pod init`, started in new namespaces, reads it and calls
// Enter. All it makes lives in memory in the process's own mount namespace, so
// a container leaves nothing behind and works without privileges.
package rootfs

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Spec is all that Enter needs.
type Spec struct {
	Root       string   `json:"root"`       // an empty directory to build the new root over
	Binaries   []Mount  `json:"binaries"`   // those that the programs of images are part of
	Mounts     []Mount  `json:"mounts"`     // volumes, in the order of mounting
	Hostname   string   `json:"hostname"`   // empty keeps the node's
	ResolvConf string   `json:"resolvConf"` // content of /etc/resolv.conf
	Args       []string `json:"args"`
	Env        []string `json:"env"`
	Dir        string   `json:"dir"` // working directory; empty is /
}

// Mount makes a file or directory of the node appear inside the container.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
}

// The files by which whoever starts Init and Init itself speak.
const (
	SpecFile    = 3 // brings the Spec
	FailureFile = 4 // carries back why Enter failed; closes by itself when the command takes over
)

// Init is `drover-sandbox-pod init`. It returns only if it fails, with the exit code of the process.
func Init() int {
	unix.CloseOnExec(FailureFile)
	in := os.NewFile(SpecFile, "spec")
	var spec Spec
	err := json.NewDecoder(in).Decode(&spec)
	_ = in.Close()
	if err == nil {
		err = Enter(spec)
	}
	_, _ = fmt.Fprint(os.NewFile(FailureFile, "failure"), err)
	return 128 // what runtimes report for a container that could not start
}
