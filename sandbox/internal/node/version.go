package node

import (
	"fmt"
	_ "unsafe" // for linkname

	utilversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/component-base/version"
)

// gitVersion is the version this program was linked with. SetDynamicVersion
// accepts no other, but a sandbox's kubelet has the version of its AMI; and no
// other way leads from a kubelet's dependencies to what it reports.
//
//go:linkname gitVersion k8s.io/component-base/version.gitVersion
var gitVersion string

// setVersion makes this process's kubelet and kube-proxy report v, such as v1.35.6.
func setVersion(v string) error {
	if _, err := utilversion.ParseSemantic(v); err != nil {
		return fmt.Errorf("kubelet version: %w", err)
	}
	gitVersion = v
	if err := version.SetDynamicVersion(v); err != nil {
		return fmt.Errorf("kubelet version: %w", err)
	}
	return nil
}
