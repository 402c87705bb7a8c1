package ec2

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"
)

const document = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {name: demo, apiServerEndpoint: "https://127.0.0.1:6443", certificateAuthority: UEVN, cidr: 10.100.0.0/16}
  kubelet:
    flags: ["--node-labels=a=b,c=d"]
`

const second = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config: {maxPods: 20, registerWithTaints: [{key: x, value: "1", effect: NoExecute}]}
    flags: ["--register-with-taints=nginx=true:NoSchedule"]
`

func multipartOf(parts ...string) string {
	var b strings.Builder
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"BOUNDARY\"\r\n\r\n")
	for _, p := range parts {
		b.WriteString("--BOUNDARY\r\n" + p + "\r\n")
	}
	return b.String() + "--BOUNDARY--\r\n"
}

// User data is read as nodeadm reads it: parts of its type merge in order,
// scripts are skipped, a bare document will do.
func TestUserData(t *testing.T) {
	node := "Content-Type: application/node.eks.aws\r\n\r\n"
	both, err := parseUserData(base64.StdEncoding.EncodeToString([]byte(multipartOf(node+document,
		"Content-Type: text/x-shellscript\r\n\r\n#!/bin/sh\r\n", node+second))))
	if err != nil {
		t.Fatal(err)
	}
	labels, err := both.labels()
	if err != nil || !maps.Equal(labels, map[string]string{"a": "b", "c": "d"}) {
		t.Errorf("labels %v %v", labels, err)
	}
	if taints := both.taints(); !slices.Equal(taints, []string{"nginx=true:NoSchedule", "x=1:NoExecute"}) {
		t.Errorf("taints %v", taints)
	}
	if both.Spec.Cluster.Name != "demo" || both.Spec.Kubelet.Config.MaxPods != 20 {
		t.Errorf("merged %+v", both.Spec)
	}
	bare, err := parseUserData(base64.StdEncoding.EncodeToString([]byte(document)))
	if err != nil || bare.Spec.Cluster.CIDR != "10.100.0.0/16" {
		t.Errorf("bare document %+v %v", bare, err)
	}
}

// What nodeadm would not boot with is named.
func TestBadUserData(t *testing.T) {
	for what, raw := range map[string]string{
		"no user data":             "",
		"application/node.eks.aws": multipartOf("Content-Type: text/plain\r\n\r\nx"),
		"must be node.eks.aws":     "kind: Pod",
	} {
		_, err := parseUserData(base64.StdEncoding.EncodeToString([]byte(raw)))
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v, want %q", raw, err, what)
		}
	}
	if _, err := parseUserData("%"); err == nil || !strings.Contains(err.Error(), "base64") {
		t.Errorf("not base64: %v", err)
	}
}
