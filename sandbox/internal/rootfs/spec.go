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
	Account    Account  `json:"account"`    // the image's own; none without a name
	Files      []File   `json:"files"`      // the image's own, above this machine's
	Binaries   []Mount  `json:"binaries"`   // those that the programs of images are part of
	Mounts     []Mount  `json:"mounts"`     // volumes, in the order of mounting
	Hostname   string   `json:"hostname"`   // empty keeps the node's
	ResolvConf string   `json:"resolvConf"` // content of /etc/resolv.conf
	Args       []string `json:"args"`
	Env        []string `json:"env"`
	Dir        string   `json:"dir"` // working directory; empty is /
	Identity   Identity `json:"identity"`
}

// Account is a user, and a group of the same name and number.
type Account struct {
	Name string `json:"name"`
	ID   int    `json:"id"`
}

// File is a file that an image has: a link if it leads somewhere, a directory if it has no content.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content,omitempty"`
	Link    string `json:"link,omitempty"`
	Owner   int    `json:"owner,omitempty"` // a user, and the group with the same number
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
