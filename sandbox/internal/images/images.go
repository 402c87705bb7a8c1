// Package images says what runs when a pod names an image. The sandbox has no
// registry and no layers: an image is a name that stands for a program of this
// machine, with the settings that a container runtime takes from an image's
// config. The runtime in package cri asks it for every container it creates.
package images

import (
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/droverhq/drover/sandbox/internal/rootfs"
)

// PodBinary is where drover-sandbox-pod, which carries the programs below,
// appears inside every container.
const PodBinary = "/.drover/drover-sandbox-pod"

// SandboxBinary is where drover-sandbox itself appears in the containers of
// images whose program it carries.
const SandboxBinary = "/.drover/drover-sandbox"

// CoreDNS is the command of drover-sandbox that is the image coredns.
const CoreDNS = "coredns"

// Image is the part of an image's config that a runtime acts on.
type Image struct {
	Entrypoint []string       // replaced by a container's command
	Cmd        []string       // replaced by a container's command or args
	Env        []string       // KEY=value, below the container's own
	StopSignal syscall.Signal // what ends the program gracefully
	User       int64          // who it runs as unless the pod says otherwise
	TakesPorts bool           // the declared container ports are appended to Entrypoint
	CallsAWS   bool           // its environment says where AWS is, and with which key

	Account          rootfs.Account // a user that it has besides this machine's
	Files            []rootfs.File
	FileCapabilities []string // those of its program, which so has them under any user
}

// GroupOf is the group that a user is in.
func (i Image) GroupOf(user int) int {
	if user == i.Account.ID {
		return i.Account.ID
	}
	return 0
}

// Alone is the image where there is one user alone: all is theirs.
func (i Image) Alone() Image {
	i.User, i.Account.ID = 0, 0
	i.Files = slices.Clone(i.Files)
	for n := range i.Files {
		i.Files[n].Owner = 0
	}
	return i
}

// table is read from the top; the first match wins.
var table = []struct {
	match func(repository string) bool
	image Image
}{
	{
		match: func(repo string) bool { return strings.Contains(path.Base(repo), "echoserver") },
		image: Image{Entrypoint: []string{PodBinary, "echoserver"}, StopSignal: syscall.SIGTERM},
	},
	{
		match: func(repo string) bool { return path.Base(repo) == "aws-load-balancer-controller" },
		image: Image{Entrypoint: []string{PodBinary, "aws-load-balancer-controller"}, StopSignal: syscall.SIGTERM, CallsAWS: true,
			User: 65532, Account: rootfs.Account{Name: "nonroot", ID: 65532}},
	},
	{
		// nginx/nginx-ingress declares STOPSIGNAL SIGTERM and its controller quits nginx gracefully on it;
		// SIGQUIT does the same there, and is what the nginx image below it would get.
		match: func(repo string) bool { return strings.Contains(path.Base(repo), "nginx-ingress") },
		image: Image{Entrypoint: []string{PodBinary, "nginx-ingress"}, StopSignal: syscall.SIGQUIT,
			User: 101, Account: nginxAccount, Files: []rootfs.File{{Path: "/run/nginx", Owner: 101}},
			FileCapabilities: []string{"NET_BIND_SERVICE"}},
	},
	{
		match: func(repo string) bool { return path.Base(repo) == "nginx" },
		image: Image{Cmd: []string{"nginx", "-g", "daemon off;"}, StopSignal: syscall.SIGQUIT, Account: nginxAccount, Files: nginxFiles},
	},
	{
		match: func(repo string) bool { return path.Base(repo) == "coredns" },
		image: Image{Entrypoint: []string{SandboxBinary, CoreDNS}, StopSignal: syscall.SIGTERM},
	},
	{
		match: func(string) bool { return true },
		image: Image{Entrypoint: []string{PodBinary, "standin"}, StopSignal: syscall.SIGTERM, TakesPorts: true},
	},
}

// Lookup returns the image that a reference such as
// registry.k8s.io/echoserver:1.10 stands for. Every reference stands for one:
// a name nobody knows is a stand-in that answers on its declared ports.
func Lookup(reference string) Image {
	repo := repository(reference)
	for _, row := range table {
		if row.match(repo) {
			return row.image
		}
	}
	return Image{} // not reached: the last row matches all
}

// repository cuts the tag and the digest from a reference.
func repository(reference string) string {
	repo, _, _ := strings.Cut(reference, "@")
	if tag := strings.LastIndexByte(repo, ':'); tag > strings.LastIndexByte(repo, '/') {
		repo = repo[:tag]
	}
	return repo
}

// Argv is the command line of a container: command and args are the
// container's own, ports its declared ones as "8080/TCP".
func (i Image) Argv(command, args, ports []string) []string {
	if len(command) > 0 {
		return append(append([]string{}, command...), args...)
	}
	argv := append([]string{}, i.Entrypoint...)
	if i.TakesPorts {
		return append(argv, ports...)
	}
	if len(args) > 0 {
		return append(argv, args...)
	}
	return append(argv, i.Cmd...)
}
