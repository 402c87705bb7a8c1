package rootfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Identity is who a container's processes are, and what they may do.
type Identity struct {
	User   int   `json:"user"`
	Group  int   `json:"group"`
	Groups []int `json:"groups"` // supplementary ones; nil leaves those of the node, which one user alone cannot change

	Bounding        Capabilities `json:"bounding"` // what root has, and nobody can get more
	Ambient         Capabilities `json:"ambient"`  // what another user than root has
	NoNewPrivileges bool         `json:"noNewPrivileges"`
}

// Assume gives the identity to the calling thread, which belongs to the caller's
// goroutine and has all capabilities; what it starts, or becomes, has it too.
// The order is that of runtimes: each step needs what the next one takes away.
func (i Identity) Assume() error {
	if err := i.Bounding.limit(); err != nil {
		return fmt.Errorf("limit capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := i.become(); err != nil {
		return fmt.Errorf("become user %d, group %d, groups %v: %w", i.User, i.Group, i.Groups, err)
	}
	if err := i.effective().take(i.User != 0); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	if i.NoNewPrivileges {
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	return nil
}

// become changes this thread alone, where package unix would change all.
func (i Identity) become() error {
	if i.Groups != nil {
		if err := unix.Setgroups(i.Groups); err != nil {
			return err
		}
	}
	for _, call := range []struct {
		number uintptr
		id     int
	}{{unix.SYS_SETRESGID, i.Group}, {unix.SYS_SETRESUID, i.User}} {
		id := uintptr(call.id)
		if _, _, errno := unix.RawSyscall(call.number, id, id, id); errno != 0 {
			return errno
		}
	}
	return nil
}

func (i Identity) effective() Capabilities {
	if i.User == 0 {
		return i.Bounding
	}
	return i.Ambient & i.Bounding
}

// Capabilities is a set of them: bit N is the one with number N (capabilities(7)).
type Capabilities uint64

// names in the order of their numbers.
var names = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
	SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP
	MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

// AllCapabilities are those of a privileged container.
const AllCapabilities = ^Capabilities(0)

// DefaultCapabilities are those that containerd gives to a container that asks for nothing.
var DefaultCapabilities = named("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
	"SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE")

// named is for names that are known.
func named(list ...string) Capabilities {
	c, err := Capabilities(0).Change(list, nil)
	if err != nil {
		panic(err)
	}
	return c
}

// Change adds and drops capabilities as containerd does: ALL first, of what is added and then of what is dropped.
func (c Capabilities) Change(add, drop []string) (Capabilities, error) {
	if slices.ContainsFunc(add, isAll) {
		c = AllCapabilities
	}
	if slices.ContainsFunc(drop, isAll) {
		c = 0
	}
	added, err := numbered(add)
	dropped, err2 := numbered(drop)
	return (c | added) &^ dropped, errors.Join(err, err2)
}

func isAll(name string) bool { return strings.EqualFold(name, "ALL") }

// numbered is the set of those that are named one by one.
func numbered(list []string) (c Capabilities, err error) {
	for _, name := range list {
		n := slices.Index(names, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
		if n < 0 && !isAll(name) {
			return 0, fmt.Errorf("unknown capability %q", name)
		}
		if n >= 0 {
			c |= 1 << n
		}
	}
	return c, nil
}

func (c Capabilities) has(n int) bool { return c&(1<<n) != 0 }

// limit takes all others from the bounding set.
func (c Capabilities) limit() error {
	for n := range 64 {
		if c.has(n) {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // the kernel has no more
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take makes these the thread's own, of those that it has, and keeps them over an
// exec: of root's the bounding set decides, of another user's that they are ambient.
func (c Capabilities) take(ambient bool) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		return err
	}
	c &= Capabilities(has[0].Permitted) | Capabilities(has[1].Permitted)<<32
	low, high := uint32(c), uint32(c>>32)
	data := [2]unix.CapUserData{{Effective: low, Permitted: low}, {Effective: high, Permitted: high}}
	if ambient {
		data[0].Inheritable, data[1].Inheritable = low, high
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	for n := range len(names) {
		if !ambient || !c.has(n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			return err
		}
	}
	return nil
}
