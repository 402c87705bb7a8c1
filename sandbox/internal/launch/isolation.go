package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/sandbox/internal/folder"
	"github.com/droverhq/drover/sandbox/internal/idmap"
)

// isolation is how the sandbox is kept apart from the host.
type isolation struct {
	userNS  bool      // in a user namespace: nobody needs to be root. Without one, which takes root
	ids     idmap.IDs // that there are inside
	helpers *helpers  // write the mapping of ids; nil: who starts the sandbox may do so
}

// helpers are the programs that give an ordinary user their subordinate IDs (package uidmap).
type helpers struct{ newuidmap, newgidmap string }

// isolations are those to try, the best one first, and why there is none with
// many IDs among them, if there is none.
func isolations(env []string) (list []isolation, why error) {
	many, why := subordinate(env)
	if why == nil {
		list = append(list, many)
	}
	list = append(list, isolation{userNS: true, ids: idmap.Single()})
	if os.Geteuid() == 0 {
		if ids, err := idmap.Own(); err == nil {
			list = append(list, isolation{ids: ids})
		}
	}
	return list, why
}

// subordinate is the isolation with the subordinate IDs of who calls.
func subordinate(env []string) (isolation, error) {
	ids, err := idmap.Subordinate()
	i := isolation{userNS: true, ids: ids}
	if err == nil && os.Geteuid() != 0 {
		i.helpers, err = findHelpers(env)
	}
	return i, err
}

func findHelpers(env []string) (*helpers, error) {
	h := &helpers{newuidmap: find(env, "newuidmap"), newgidmap: find(env, "newgidmap")}
	if h.newuidmap == "" || h.newgidmap == "" {
		return nil, errors.New("newuidmap and newgidmap (package uidmap) are not installed")
	}
	return h, nil
}

// start starts a command in new namespaces, of which flags are those beside that
// of users. What comes from stdin, which the caller closes, is its input.
func (i isolation) start(ctx context.Context, cmd *exec.Cmd, flags uintptr) (stdin io.WriteCloser, err error) {
	cmd.SysProcAttr = i.attributes(flags)
	if i.helpers != nil {
		wait(cmd)
	}
	if stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if i.helpers == nil {
		return stdin, nil
	}
	err = i.helpers.write(ctx, cmd.Process.Pid, i.ids)
	if err == nil {
		_, err = io.WriteString(stdin, "\n")
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return stdin, err
}

// namespaces are the sandbox's, beside that of users.
const namespaces = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

func (i isolation) attributes(flags uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: flags, Setsid: true} // it outlives the terminal
	if !i.userNS {
		return attr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	if i.helpers == nil {
		attr.UidMappings, attr.GidMappings = lines(i.ids.Users), lines(i.ids.Groups)
		attr.GidMappingsEnableSetgroups = i.ids.Many()
	}
	return attr
}

func lines(m idmap.Map) []syscall.SysProcIDMap {
	var list []syscall.SysProcIDMap
	for _, r := range m {
		list = append(list, syscall.SysProcIDMap{ContainerID: int(r.Inside), HostID: int(r.Outside), Size: int(r.Count)})
	}
	return list
}

// wait lets a command begin when a line comes from its input. A process that is executed
// while its user has no ID in its namespace has no capabilities there: it gets them by being
// executed once more.
func wait(cmd *exec.Cmd) {
	cmd.Args = append([]string{"sh", "-c", `read -r _ && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

// write gives the IDs to the namespace of a process.
func (h helpers) write(ctx context.Context, pid int, ids idmap.IDs) error {
	for program, m := range map[string]idmap.Map{h.newuidmap: ids.Users, h.newgidmap: ids.Groups} {
		args := []string{fmt.Sprint(pid)}
		for _, r := range m {
			args = append(args, fmt.Sprint(r.Inside), fmt.Sprint(r.Outside), fmt.Sprint(r.Count))
		}
		if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// owns refuses a folder whose files belong to other IDs than the sandbox would have.
func (i isolation) owns(dir folder.Folder, info folder.Info) error {
	if !info.IDs.Many() || info.IDs.Equal(i.ids) {
		return nil
	}
	return &problem.Error{Kind: problem.Refused, Op: fmt.Sprintf("start the sandbox in %s", dir),
		Err: fmt.Errorf("files in it belong to subordinate IDs that it would not have: those of users were %s of the host", outside(info.IDs.Users)),
		Fix: "give your user these IDs again (/etc/subuid, /etc/subgid, package uidmap), or remove the folder: sudo rm -r " + string(dir)}
}

// outside names the IDs of the host that a mapping leads to.
func outside(m idmap.Map) string {
	var parts []string
	for _, r := range m {
		parts = append(parts, idmap.Map{{Inside: r.Outside, Count: r.Count}}.String())
	}
	return strings.Join(parts, ", ")
}

// removeOthers removes what belongs to subordinate IDs, which their user can do
// only where these are theirs.
func removeOthers(ctx context.Context, dir folder.Folder, env []string) error {
	info, err := dir.ReadInfo()
	if err != nil || os.Geteuid() == 0 || !info.IDs.Many() {
		return err
	}
	i := isolation{userNS: true, ids: info.IDs}
	if i.helpers, err = findHelpers(env); err == nil {
		err = i.run(ctx, exec.CommandContext(ctx, "rm", "-rf", "--", dir.Machines(), dir.Volumes()), 0)
	}
	if err != nil {
		return &problem.Error{Kind: problem.Refused, Op: "remove the files of pods", Err: err, Fix: "sudo rm -r " + string(dir)}
	}
	return nil
}

// run runs a command in new namespaces. Its error is what it says.
func (i isolation) run(ctx context.Context, cmd *exec.Cmd, flags uintptr) error {
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := i.start(ctx, cmd, flags)
	if err != nil {
		return fmt.Errorf("start a process in new namespaces: %w", err)
	}
	_ = stdin.Close()
	err = cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) && said.Len() > 0 {
		return errors.New(strings.TrimSpace(said.String()))
	}
	return err
}
