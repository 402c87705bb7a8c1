package controlplane

import (
	"k8s.io/apimachinery/pkg/util/version"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/component-base/compatibility"
)

// emulation are the flags with which a component has the APIs and features of an
// older version.
func (c Config) emulation() []string {
	if c.Emulates == "" {
		return nil
	}
	minor := version.MustParseGeneric(c.Emulates)
	return []string{"--emulated-version=" + version.MajorMinor(minor.Major(), minor.Minor()).String()}
}

// emulated answers /version as the version that is emulated. kube-apiserver itself
// names that of its program there, and clients go by it.
type emulated struct {
	compatibility.EffectiveVersion
	as string // 1.35.6
}

// Info is what /version says.
func (e emulated) Info() *apiversion.Info {
	info := e.EffectiveVersion.Info()
	as := version.MustParseGeneric(e.as)
	info.Major, info.Minor, info.GitVersion = version.Itoa(as.Major()), version.Itoa(as.Minor()), "v"+as.String()
	return info
}
