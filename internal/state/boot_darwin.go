package state

import "golang.org/x/sys/unix"

// bootID changes when the machine starts, and no two machines have the same.
func bootID() string {
	id, _ := unix.Sysctl("kern.bootsessionuuid")
	return id
}

// local cannot tell here: a lock from before the machine was started stays until drover cancel.
func local(string) bool { return false }
