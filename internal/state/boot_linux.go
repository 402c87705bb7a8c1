package state

import "syscall"

// bootID changes when the machine starts, and no two machines have the same.
func bootID() string { return fileText("/proc/sys/kernel/random/boot_id") }

// localTypes are file systems that one machine alone uses at a time, by the
// numbers of statfs(2): ext, XFS, Btrfs, F2FS, ZFS, tmpfs and overlays.
var localTypes = map[uint32]bool{
	0xEF53: true, 0x58465342: true, 0x9123683E: true, 0xF2F52010: true, 0x2FC12FC1: true, 0x01021994: true, 0x794C7630: true,
}

// local reports that no other machine can have written in a folder.
func local(dir string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && localTypes[uint32(s.Type)] // its size differs between architectures
}
