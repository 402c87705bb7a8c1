package images

import (
	"slices"
	"syscall"
	"testing"
)

// A pod's image and command decide what runs, whatever registry, tag or digest the name carries.
func TestLookup(t *testing.T) {
	ports := []string{"8080/TCP"}
	for _, tc := range []struct {
		reference     string
		command, args []string
		want          []string
		stop          syscall.Signal
	}{
		{reference: "registry.k8s.io/echoserver:1.10", want: []string{PodBinary, "echoserver"}, stop: syscall.SIGTERM},
		{reference: "localhost:5000/echoserver", want: []string{PodBinary, "echoserver"}, stop: syscall.SIGTERM},
		{
			reference: "nginx/nginx-ingress:5.1.0@sha256:0011", args: []string{"-ingress-class=nginx"},
			want: []string{PodBinary, "nginx-ingress", "-ingress-class=nginx"}, stop: syscall.SIGQUIT,
		},
		{
			reference: "docker.io/library/nginx:1.29",
			want:      []string{"nginx", "-g", "daemon off;"}, stop: syscall.SIGQUIT,
		},
		{
			reference: "nginx", args: []string{"nginx-debug"},
			want: []string{"nginx-debug"}, stop: syscall.SIGQUIT,
		},
		{
			reference: "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/coredns:v1.13.2-eksbuild.1", args: []string{"-conf", "x"},
			want: []string{SandboxBinary, CoreDNS, "-conf", "x"}, stop: syscall.SIGTERM,
		},
		{
			reference: "example.com/shop", args: []string{"--x"},
			want: []string{PodBinary, "standin", "8080/TCP"}, stop: syscall.SIGTERM,
		},
		{
			reference: "busybox", command: []string{"sh", "-c"}, args: []string{"id"},
			want: []string{"sh", "-c", "id"}, stop: syscall.SIGTERM,
		},
		{reference: "nginx", command: []string{"sleep", "1"}, want: []string{"sleep", "1"}, stop: syscall.SIGQUIT},
	} {
		image := Lookup(tc.reference)
		if got := image.Argv(tc.command, tc.args, ports); !slices.Equal(got, tc.want) {
			t.Errorf("%s runs %q, want %q", tc.reference, got, tc.want)
		}
		if image.StopSignal != tc.stop {
			t.Errorf("%s is stopped by %v, want %v", tc.reference, image.StopSignal, tc.stop)
		}
	}
}
