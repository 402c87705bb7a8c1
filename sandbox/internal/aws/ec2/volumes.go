package ec2

import (
	"cmp"
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) volumeActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateVolume":    s.createVolume,
		"DescribeVolumes": s.describeVolumes,
		"AttachVolume":    s.attachVolume,
		"DetachVolume":    s.detachVolume,
		"DeleteVolume":    s.deleteVolume,
	}
}

type volumeItem struct {
	ID          string             `xml:"volumeId"`
	Size        int                `xml:"size"`
	Snapshot    string             `xml:"snapshotId"`
	Zone        string             `xml:"availabilityZone"`
	Status      string             `xml:"status"`
	Created     string             `xml:"createTime"`
	Attachments []volumeAttachment `xml:"attachmentSet>item"`
	Tags        []tag              `xml:"tagSet>item"`
	Type        string             `xml:"volumeType"`
	Encrypted   bool               `xml:"encrypted"`
	Multi       bool               `xml:"multiAttachEnabled"`
}

type volumeAttachment struct {
	Volume   string `xml:"volumeId"`
	Instance string `xml:"instanceId"`
	Device   string `xml:"device"`
	Status   string `xml:"status"`
	At       string `xml:"attachTime"`
	WithIt   bool   `xml:"deleteOnTermination"`
}

func showVolume(_ *region.State, v *region.Volume) volumeItem {
	item := volumeItem{ID: v.VolumeID, Size: v.GiB, Zone: v.Zone, Status: "available", Created: wire.Stamp(v.Created), Tags: tagSet(v.Tags), Type: v.Type}
	if v.InstanceID != "" {
		item.Status = "in-use"
		item.Attachments = []volumeAttachment{attachment(v, "attached")}
	}
	return item
}

func attachment(v *region.Volume, status string) volumeAttachment {
	return volumeAttachment{Volume: v.VolumeID, Instance: v.InstanceID, Device: v.Device, Status: status, At: wire.Stamp(v.Attached)}
}

func (s *Service) createVolume(_ *http.Request, f wire.Form) (any, error) {
	if err := need(f, "AvailabilityZone", "Size"); err != nil {
		return nil, err
	}
	f.Ignore("Iops", "Throughput", "Encrypted") // nothing here is as fast or as secret as that
	var out volumeItem
	err := s.once(f, func(st *region.State) (string, error) {
		v := &region.Volume{Type: cmp.Or(f.Get("VolumeType"), "gp2"), Zone: f.Get("AvailabilityZone")}
		if n := f.Int("Size"); n != nil {
			v.GiB = *n
		}
		var err error
		if v.Tags, err = specifiedTags(f, "volume"); err != nil {
			return "", err
		}
		err = st.CreateVolume(v, region.Stamp(s.now()))
		return v.VolumeID, err
	}, func(st *region.State, id string) {
		if v, ok := st.Volumes[id]; ok {
			out = showVolume(st, v)
		}
	})
	return out, err
}

func (s *Service) describeVolumes(_ *http.Request, f wire.Form) (any, error) {
	id := func(v *region.Volume) string { return v.VolumeID }
	items, next, err := list(s, f, listing[*region.Volume, volumeItem]{
		all:   func(st *region.State) []*region.Volume { return region.Sorted(st.Volumes) },
		names: []name[*region.Volume]{{"VolumeId", id, volumeIDs.unknown}},
		filters: filters[*region.Volume]{"volume-id": one(id),
			"availability-zone":      one(func(v *region.Volume) string { return v.Zone }),
			"volume-type":            one(func(v *region.Volume) string { return v.Type }),
			"attachment.instance-id": one(func(v *region.Volume) string { return v.InstanceID }),
			"attachment.device":      one(func(v *region.Volume) string { return v.Device }),
			"status":                 one(func(v *region.Volume) string { return showVolume(nil, v).Status })},
		tags: func(v *region.Volume) region.Tags { return v.Tags },
		show: showVolume,
	})
	return struct {
		Volumes []volumeItem `xml:"volumeSet>item"`
		Next    string       `xml:"nextToken,omitempty"`
	}{items, next}, err
}

func (s *Service) attachVolume(_ *http.Request, f wire.Form) (any, error) {
	if err := need(f, "VolumeId", "InstanceId", "Device"); err != nil {
		return nil, err
	}
	var out volumeAttachment
	err := s.change(f, func(st *region.State) error {
		v, err := found(st.Volumes, volumeIDs, f.Get("VolumeId"))
		if err != nil {
			return err
		}
		i, err := found(st.Instances, instanceIDs, f.Get("InstanceId"))
		if err != nil {
			return err
		}
		err = st.AttachVolume(v, i, f.Get("Device"), region.Stamp(s.now()))
		out = attachment(v, "attaching")
		return err
	})
	return out, err
}

func (s *Service) detachVolume(_ *http.Request, f wire.Form) (any, error) {
	f.Ignore("Force")
	var out volumeAttachment
	err := s.change(f, func(st *region.State) error {
		v, err := found(st.Volumes, volumeIDs, f.Get("VolumeId"))
		if err != nil {
			return err
		}
		instance, device := f.Get("InstanceId"), f.Get("Device")
		if v.InstanceID == "" || instance != "" && instance != v.InstanceID || device != "" && device != v.Device {
			return region.Errorf(region.Invalid, "IncorrectState", "Volume '%s' is in the 'available' state, or not attached so.", v.VolumeID)
		}
		out = attachment(v, "detaching")
		st.DetachVolume(v)
		return nil
	})
	return out, err
}

func (s *Service) deleteVolume(_ *http.Request, f wire.Form) (any, error) {
	return done(s.change(f, func(st *region.State) error {
		v, err := found(st.Volumes, volumeIDs, f.Get("VolumeId"))
		if err != nil {
			return err
		}
		return st.DeleteVolume(v)
	}))
}
