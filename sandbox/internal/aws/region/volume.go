package region

import "time"

// Volume is an EBS volume beside the disks that instances come with. It is in
// one zone, and at one instance at a time. What it holds lies in a folder that
// the machines of its zone share; see package ebs.
type Volume struct {
	VolumeID string
	GiB      int
	Type     string // gp3
	Zone     string
	Created  time.Time
	Tags     Tags

	InstanceID string    `json:",omitempty"` // what it is attached to
	Device     string    `json:",omitempty"`
	Attached   time.Time `json:",omitzero"`
}

// VolumeTypes are the kinds of volumes, with the largest size in GiB.
var VolumeTypes = map[string]int{"gp2": 16384, "gp3": 65536, "io1": 16384, "io2": 65536, "st1": 16384, "sc1": 16384, "standard": 1024}

// CreateVolume makes a volume.
func (s *State) CreateVolume(v *Volume, now time.Time) error {
	most, known := VolumeTypes[v.Type]
	zoned := false
	for _, z := range s.Zones() {
		zoned = zoned || z.Name == v.Zone
	}
	switch {
	case !known:
		return Errorf(Invalid, "InvalidParameterValue", "Value (%s) for parameter volumeType is invalid.", v.Type)
	case v.GiB < 1 || v.GiB > most:
		return Errorf(Invalid, "InvalidParameterValue", "Volume of %dGiB is not between 1GiB and %dGiB for volume type %s", v.GiB, most, v.Type)
	case !zoned:
		return Errorf(Invalid, "InvalidZone.NotFound", "The zone '%s' does not exist in %s", v.Zone, s.Region)
	}
	v.VolumeID, v.Created = NewID("vol"), now
	s.Volumes[v.VolumeID] = v
	return nil
}

// AttachVolume gives a volume to an instance of its zone.
func (s *State) AttachVolume(v *Volume, i *Instance, device string, now time.Time) error {
	switch {
	case v.InstanceID != "":
		return Errorf(Busy, "VolumeInUse", "%s is already attached to an instance", v.VolumeID)
	case i.State != Running:
		return Errorf(Invalid, "IncorrectState", "Instance '%s' is not 'running'.", i.ID)
	case i.Zone != v.Zone:
		return Errorf(Invalid, "InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'",
			v.VolumeID, i.ID)
	}
	for _, other := range s.Volumes {
		if other.InstanceID == i.ID && other.Device == device {
			return Errorf(Invalid, "InvalidParameterValue", "Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
		}
	}
	v.InstanceID, v.Device, v.Attached = i.ID, device, now
	return nil
}

// DetachVolume takes a volume from its instance.
func (s *State) DetachVolume(v *Volume) { v.InstanceID, v.Device, v.Attached = "", "", time.Time{} }

// DeleteVolume removes a volume that no instance has.
func (s *State) DeleteVolume(v *Volume) error {
	if v.InstanceID != "" {
		return Errorf(Dependency, "VolumeInUse", "Volume %s is currently attached to %s", v.VolumeID, v.InstanceID)
	}
	delete(s.Volumes, v.VolumeID)
	return nil
}

// detachAll lets go of the volumes of an instance that has ended.
func (s *State) detachAll(i *Instance) {
	for _, v := range s.Volumes {
		if v.InstanceID == i.ID {
			s.DetachVolume(v)
		}
	}
}
