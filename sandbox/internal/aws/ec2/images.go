package ec2

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// eksOwner is the account that publishes EKS-optimized AMIs.
const eksOwner = "602401143452"

// rootDevice is the root disk of every image.
const rootDevice = "/dev/xvda"

type imageItem struct {
	ID           string `xml:"imageId"`
	Location     string `xml:"imageLocation"`
	State        string `xml:"imageState"`
	Owner        string `xml:"imageOwnerId"`
	OwnerAlias   string `xml:"imageOwnerAlias"`
	Public       bool   `xml:"isPublic"`
	Architecture string `xml:"architecture"`
	Type         string `xml:"imageType"`
	Name         string `xml:"name"`
	Description  string `xml:"description"`
	RootType     string `xml:"rootDeviceType"`
	RootName     string `xml:"rootDeviceName"`
	Virtual      string `xml:"virtualizationType"`
	Hypervisor   string `xml:"hypervisor"`
	Created      string `xml:"creationDate"`
	Tags         []tag  `xml:"tagSet>item"`

	Disks []imageDisk `xml:"blockDeviceMapping>item"`
}

// imageDisk is a disk that an image brings. Here none has an effect.
type imageDisk struct {
	Device    string `xml:"deviceName"`
	Snapshot  string `xml:"ebs>snapshotId"`
	Size      int    `xml:"ebs>volumeSize"` // GiB
	Type      string `xml:"ebs>volumeType"`
	Delete    bool   `xml:"ebs>deleteOnTermination"`
	Encrypted bool   `xml:"ebs>encrypted"`
}

// disks are those of an image: Bottlerocket keeps its data apart from its root.
func disks(i region.Image) []imageDisk {
	snapshot := "snap" + strings.TrimPrefix(i.ID, "ami")
	if i.OS == region.Bottlerocket {
		return []imageDisk{{rootDevice, snapshot, 2, "gp2", true, false}, {"/dev/xvdb", snapshot, 20, "gp2", true, false}}
	}
	return []imageDisk{{rootDevice, snapshot, 20, "gp3", true, false}}
}

func showImage(_ *region.State, i region.Image) imageItem {
	system := "Amazon Linux 2023"
	if i.OS == region.Bottlerocket {
		system = "Bottlerocket"
	}
	return imageItem{ID: i.ID, Location: "amazon/" + i.Name, State: "available", Owner: eksOwner, OwnerAlias: "amazon", Public: true,
		Architecture: i.Arch, Type: "machine", Name: i.Name, RootType: "ebs", RootName: rootDevice, Virtual: "hvm", Hypervisor: "xen",
		Description: fmt.Sprintf("EKS-optimized Kubernetes node based on %s, (k8s: %s)", system, i.Kubelet[1:]),
		Created:     "2026-11-01T00:00:00.000Z", Disks: disks(i)}
}

func (s *Service) describeImages(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("ExecutableBy", "IncludeDeprecated", "IncludeDisabled") // all images are public and in use
	owners := f.List("Owner")
	id := func(i region.Image) string { return i.ID }
	items, next, err := list(s, f, listing[region.Image, imageItem]{
		all: func(st *region.State) []region.Image {
			if len(owners) > 0 && !slices.Contains(owners, "amazon") && !slices.Contains(owners, eksOwner) {
				return nil
			}
			return region.Images(st.Region)
		},
		names: []name[region.Image]{{"ImageId", id, imageIDs.unknown}},
		filters: filters[region.Image]{"image-id": one(id), "name": one(func(i region.Image) string { return i.Name }),
			"architecture": one(func(i region.Image) string { return i.Arch }), "owner-alias": always[region.Image]("amazon"),
			"owner-id": always[region.Image](eksOwner), "state": always[region.Image]("available"), "is-public": always[region.Image]("true"),
			"virtualization-type": always[region.Image]("hvm"), "root-device-type": always[region.Image]("ebs"),
			"image-type": always[region.Image]("machine")},
		show: showImage,
	})
	return struct {
		Images []imageItem `xml:"imagesSet>item"`
		Next   string      `xml:"nextToken,omitempty"`
	}{items, next}, err
}
