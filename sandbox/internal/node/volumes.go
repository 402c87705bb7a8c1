package node

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/csi"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/local"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
)

// volumePlugins are those that need nothing but the API server, that of local
// volumes, and those of CSI drivers, which package ebs is one of. A pod that
// asks for another kind waits, and its events say why.
func volumePlugins() []volume.VolumePlugin {
	var plugins []volume.VolumePlugin
	for _, probe := range []func() []volume.VolumePlugin{
		configmap.ProbeVolumePlugins, downwardapi.ProbeVolumePlugins, emptydir.ProbeVolumePlugins,
		projected.ProbeVolumePlugins, secret.ProbeVolumePlugins,
	} {
		for _, p := range probe() {
			plugins = append(plugins, oneUser{p})
		}
	}
	return slices.Concat(plugins, local.ProbeVolumePlugins(), csi.ProbeVolumePlugins())
}

// oneUser gives files to no other user: without subordinate IDs there is none
// in the sandbox, and the kubelet would try for ever to give a token's file to
// the user that a pod asks for (runAsUser).
type oneUser struct{ volume.VolumePlugin }

func (p oneUser) NewMounter(spec *volume.Spec, pod *v1.Pod) (volume.Mounter, error) {
	m, err := p.VolumePlugin.NewMounter(spec, pod)
	if err != nil {
		return nil, err
	}
	return ownMounter{m}, nil
}

type ownMounter struct{ volume.Mounter }

func (m ownMounter) SetUp(args volume.MounterArgs) error {
	return m.Mounter.SetUp(own(args))
}

func (m ownMounter) SetUpAt(dir string, args volume.MounterArgs) error {
	return m.Mounter.SetUpAt(dir, own(args))
}

func own(args volume.MounterArgs) volume.MounterArgs {
	args.FsUser, args.FsGroup = nil, nil
	return args
}
