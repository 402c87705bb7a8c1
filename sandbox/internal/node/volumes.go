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

	"github.com/droverhq/drover/sandbox/internal/idmap"
)

// volumePlugins are those that need nothing but the API server, that of local
// volumes, and those of CSI drivers, which package ebs is one of. A pod that
// asks for another kind waits, and its events say why.
func volumePlugins(ids idmap.IDs) []volume.VolumePlugin {
	var plugins []volume.VolumePlugin
	for _, probe := range []func() []volume.VolumePlugin{
		configmap.ProbeVolumePlugins, downwardapi.ProbeVolumePlugins, emptydir.ProbeVolumePlugins,
		projected.ProbeVolumePlugins, secret.ProbeVolumePlugins,
	} {
		for _, p := range probe() {
			plugins = append(plugins, owned{p, ids})
		}
	}
	return slices.Concat(plugins, local.ProbeVolumePlugins(), csi.ProbeVolumePlugins())
}

// owned gives files to users and groups that there are. To others that a pod asks for
// (runAsUser, fsGroup), which without subordinate IDs are all, the kubelet would try for
// ever to give a token's file; with them, it is the runtime that refuses, and says why.
type owned struct {
	volume.VolumePlugin
	ids idmap.IDs
}

func (p owned) NewMounter(spec *volume.Spec, pod *v1.Pod) (volume.Mounter, error) {
	m, err := p.VolumePlugin.NewMounter(spec, pod)
	if err != nil {
		return nil, err
	}
	return ownedMounter{m, p.ids}, nil
}

type ownedMounter struct {
	volume.Mounter
	ids idmap.IDs
}

func (m ownedMounter) SetUp(args volume.MounterArgs) error {
	return m.Mounter.SetUp(m.among(args))
}

func (m ownedMounter) SetUpAt(dir string, args volume.MounterArgs) error {
	return m.Mounter.SetUpAt(dir, m.among(args))
}

func (m ownedMounter) among(args volume.MounterArgs) volume.MounterArgs {
	if args.FsUser != nil && !m.ids.Users.Has(*args.FsUser) {
		args.FsUser = nil
	}
	if args.FsGroup != nil && !m.ids.Groups.Has(*args.FsGroup) {
		args.FsGroup = nil
	}
	return args
}
