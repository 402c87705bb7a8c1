package cri

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/droverhq/drover/sandbox/internal/images"
)

// imageSize is what every image claims to weigh, in bytes. A kubelet counts it against the image file system.
const imageSize = 50 << 20

// imageID is the digest that a reference has here: one for each name.
func imageID(reference string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(reference)))
}

// reference is the name that the pod gives; the kubelet itself names an image by its ID.
func reference(image *runtimeapi.ImageSpec) string {
	return cmp.Or(image.GetUserSpecifiedImage(), image.GetImage())
}

// PullImage implements ImageManagerService. There is nothing to fetch.
func (r *Runtime) PullImage(
	ctx context.Context, image *runtimeapi.ImageSpec, _ *runtimeapi.AuthConfig, _ *runtimeapi.PodSandboxConfig,
) (string, error) {
	if err := r.Pullable(ctx, image.Image); err != nil {
		return "", fmt.Errorf("failed to pull and unpack image %q: %w", image.Image, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pulled[image.Image] = true
	return imageID(image.Image), nil
}

// ImageStatus implements ImageManagerService.
func (r *Runtime) ImageStatus(
	_ context.Context, image *runtimeapi.ImageSpec, _ bool,
) (*runtimeapi.ImageStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for reference := range r.pulled {
		if reference == image.Image || imageID(reference) == image.Image {
			return &runtimeapi.ImageStatusResponse{Image: describe(reference)}, nil
		}
	}
	return &runtimeapi.ImageStatusResponse{}, nil
}

// ListImages implements ImageManagerService.
func (r *Runtime) ListImages(_ context.Context, f *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.Image
	for reference := range r.pulled {
		if want := f.GetImage().GetImage(); want == "" || want == reference || want == imageID(reference) {
			list = append(list, describe(reference))
		}
	}
	return list, nil
}

func describe(reference string) *runtimeapi.Image {
	return &runtimeapi.Image{
		Id: imageID(reference), RepoTags: []string{reference}, Size: imageSize,
		Uid:  &runtimeapi.Int64Value{Value: images.Lookup(reference).User},
		Spec: &runtimeapi.ImageSpec{Image: reference},
	}
}

// RemoveImage implements ImageManagerService.
func (r *Runtime) RemoveImage(_ context.Context, image *runtimeapi.ImageSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for reference := range r.pulled {
		if reference == image.Image || imageID(reference) == image.Image {
			delete(r.pulled, reference)
		}
	}
	return nil
}

// ImageFsInfo implements ImageManagerService.
func (r *Runtime) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	usage := &runtimeapi.FilesystemUsage{
		Timestamp:  time.Now().UnixNano(),
		FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: "/"},
		UsedBytes:  &runtimeapi.UInt64Value{Value: uint64(len(r.pulled)) * imageSize},
		InodesUsed: &runtimeapi.UInt64Value{Value: uint64(len(r.pulled))},
	}
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: []*runtimeapi.FilesystemUsage{usage}}, nil
}
