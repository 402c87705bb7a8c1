package cri

import (
	"fmt"
	"slices"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/droverhq/drover/sandbox/internal/idmap"
	"github.com/droverhq/drover/sandbox/internal/images"
	"github.com/droverhq/drover/sandbox/internal/rootfs"
)

// identityOf is who a container is to be: what its pod says, else its image. Where the
// sandbox has one user alone it is that one, whatever they say.
func identityOf(config *runtimeapi.ContainerConfig, image images.Image, ids idmap.IDs) (rootfs.Identity, error) {
	asked := config.GetLinux().GetSecurityContext()
	bounding, err := capabilities(asked)
	who := rootfs.Identity{Bounding: bounding, NoNewPrivileges: asked.GetNoNewPrivs()}
	if err != nil || !ids.Many() {
		return who, err
	}
	who.User = int(image.User)
	if asked.GetRunAsUser() != nil {
		who.User = int(asked.RunAsUser.Value)
	}
	who.Group = image.GroupOf(who.User)
	if asked.GetRunAsGroup() != nil {
		who.Group = int(asked.RunAsGroup.Value)
	}
	who.Groups = []int{who.Group}
	for _, g := range asked.GetSupplementalGroups() { // fsGroup is among them
		if !slices.Contains(who.Groups, int(g)) {
			who.Groups = append(who.Groups, int(g))
		}
	}
	if len(config.GetCommand()) == 0 && !who.NoNewPrivileges {
		who.Ambient, err = rootfs.Capabilities(0).Change(image.FileCapabilities, nil)
	}
	return who, err
}

func capabilities(asked *runtimeapi.LinuxContainerSecurityContext) (rootfs.Capabilities, error) {
	if asked.GetPrivileged() {
		return rootfs.AllCapabilities, nil
	}
	change := asked.GetCapabilities()
	return rootfs.DefaultCapabilities.Change(change.GetAddCapabilities(), change.GetDropCapabilities())
}

// among refuses an identity that the sandbox cannot give.
func among(ids idmap.IDs, who rootfs.Identity) error {
	if !ids.Users.Has(int64(who.User)) {
		return fmt.Errorf("run as user %d: the sandbox has the users %s", who.User, ids.Users)
	}
	for _, g := range append([]int{who.Group}, who.Groups...) {
		if !ids.Groups.Has(int64(g)) {
			return fmt.Errorf("run in group %d: the sandbox has the groups %s", g, ids.Groups)
		}
	}
	return nil
}

// userOf tells the kubelet who a container is.
func userOf(who rootfs.Identity) *runtimeapi.ContainerUser {
	user := &runtimeapi.LinuxContainerUser{Uid: int64(who.User), Gid: int64(who.Group)}
	for _, g := range who.Groups {
		user.SupplementalGroups = append(user.SupplementalGroups, int64(g))
	}
	return &runtimeapi.ContainerUser{Linux: user}
}
