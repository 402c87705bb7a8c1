package eks

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// withNodegroup does something about the group that a request's path names.
func (s *Service) withNodegroup(c call, f func(*region.State, *region.Nodegroup) (any, error)) (any, error) {
	return s.update(func(st *region.State) (any, error) {
		n, err := st.Nodegroup(c.Vars[0], c.Vars[1])
		if err != nil {
			return nil, err
		}
		return f(st, n)
	})
}

func (s *Service) describeNodegroup(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		n, err := st.Nodegroup(c.Vars[0], c.Vars[1])
		if err != nil {
			return nil, err
		}
		return object{"nodegroup": showNodegroup(st, n)}, nil
	})
}

func (s *Service) deleteNodegroup(c call) (any, error) {
	return s.withNodegroup(c, func(st *region.State, n *region.Nodegroup) (any, error) {
		err := st.DeleteNodegroup(n)
		return object{"nodegroup": showNodegroup(st, n)}, err
	})
}

func (s *Service) listNodegroups(c call) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		if _, err := st.Cluster(c.Vars[0]); err != nil {
			return nil, err
		}
		names := []string{}
		for _, n := range region.Sorted(st.Nodegroups) {
			if n.ClusterName == c.Vars[0] {
				names = append(names, n.NodegroupName)
			}
		}
		names, next, err := page(c.Request, names)
		return listing("nodegroups", names, next), err
	})
}

type taintItem struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type scalingItem struct {
	Min     *int `json:"minSize"`
	Max     *int `json:"maxSize"`
	Desired *int `json:"desiredSize"`
}

type strategyItem struct {
	Nodes    int    `json:"maxUnavailable,omitempty"`
	Percent  int    `json:"maxUnavailablePercentage,omitempty"`
	Strategy string `json:"updateStrategy,omitempty"`
}

type templateItem struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

func (s *Service) createNodegroup(c call) (any, error) {
	var in struct {
		Name     string            `json:"nodegroupName"`
		Role     string            `json:"nodeRole"`
		Subnets  []string          `json:"subnets"`
		Types    []string          `json:"instanceTypes"`
		AmiType  string            `json:"amiType"`
		Capacity string            `json:"capacityType"`
		Disk     int               `json:"diskSize"`
		Version  string            `json:"version"`
		Release  string            `json:"releaseVersion"`
		Labels   map[string]string `json:"labels"`
		Taints   []taintItem       `json:"taints"`
		Scaling  *scalingItem      `json:"scalingConfig"`
		Update   strategyItem      `json:"updateConfig"`
		Template *templateItem     `json:"launchTemplate"`
		Tags     map[string]string `json:"tags"`
		Token    string            `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	n := &region.Nodegroup{ClusterName: c.Vars[0], NodegroupName: in.Name, NodeRole: in.Role, Subnets: in.Subnets,
		InstanceTypes: in.Types, AmiType: in.AmiType, CapacityType: in.Capacity, DiskSize: in.Disk, Version: in.Version,
		ReleaseVersion: in.Release, Labels: in.Labels, Taints: taints(in.Taints), UpdateConfig: in.Update.strategy(),
		LaunchTemplate: in.Template.template(), Tags: in.Tags}
	if in.Scaling != nil {
		size := region.NodegroupScaling{MinSize: 1, DesiredSize: 2, MaxSize: 2}
		in.Scaling.onto(&size)
		n.Scaling = &size
	}
	return s.update(func(st *region.State) (any, error) {
		if old, ok := st.Nodegroups[c.Vars[0]+"/"+in.Name]; ok && in.Token != "" && old.Token == in.Token {
			return object{"nodegroup": showNodegroup(st, old)}, nil // the same request once more
		}
		n.Token = in.Token
		if _, err := st.CreateNodegroup(n, region.Stamp(s.now())); err != nil {
			return nil, err
		}
		return object{"nodegroup": showNodegroup(st, n)}, nil
	})
}

func taints(list []taintItem) []region.NodegroupTaint {
	var out []region.NodegroupTaint
	for _, t := range list {
		out = append(out, region.NodegroupTaint{Key: t.Key, Value: t.Value, Effect: t.Effect})
	}
	return out
}

func (t *templateItem) template() *region.NodegroupTemplate {
	if t == nil {
		return nil
	}
	return &region.NodegroupTemplate{ID: t.ID, Name: t.Name, Version: t.Version}
}

func (s strategyItem) strategy() region.NodegroupStrategy {
	return region.NodegroupStrategy{MaxUnavailable: s.Nodes, MaxUnavailablePercentage: s.Percent, UpdateStrategy: s.Strategy}
}

// onto sets what is given of a size.
func (i *scalingItem) onto(size *region.NodegroupScaling) {
	for _, one := range []struct {
		to   *int
		from *int
	}{{&size.MinSize, i.Min}, {&size.MaxSize, i.Max}, {&size.DesiredSize, i.Desired}} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
}

func (s *Service) updateConfig(c call) (any, error) {
	var in struct {
		Labels *struct {
			Set    map[string]string `json:"addOrUpdateLabels"`
			Remove []string          `json:"removeLabels"`
		} `json:"labels"`
		Taints *struct {
			Set    []taintItem `json:"addOrUpdateTaints"`
			Remove []taintItem `json:"removeTaints"`
		} `json:"taints"`
		Scaling *scalingItem  `json:"scalingConfig"`
		Update  *strategyItem `json:"updateConfig"`
		Token   string        `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.updateNodegroup(c, in.Token, in, func(st *region.State, n *region.Nodegroup) (*region.NodegroupUpdate, error) {
		want := *st.Shown(n)
		var params []region.Param
		add := func(typ string, value any) {
			data, _ := json.Marshal(value)
			params = append(params, region.Param{Type: typ, Value: string(data)})
		}
		if in.Labels != nil {
			want.Labels = maps.Clone(n.Labels)
			for _, key := range in.Labels.Remove {
				delete(want.Labels, key)
			}
			if want.Labels == nil {
				want.Labels = map[string]string{}
			}
			maps.Copy(want.Labels, in.Labels.Set)
			add("LabelsToAdd", in.Labels.Set)
		}
		if in.Taints != nil {
			want.Taints = changedTaints(n.Taints, taints(in.Taints.Set), taints(in.Taints.Remove))
			add("TaintsToAdd", in.Taints.Set)
		}
		if in.Scaling != nil {
			in.Scaling.onto(want.Scaling)
			add("MinSize", want.Scaling.MinSize)
			add("MaxSize", want.Scaling.MaxSize)
			add("DesiredSize", want.Scaling.DesiredSize)
		}
		if in.Update != nil {
			want.UpdateConfig = in.Update.strategy()
			want.UpdateConfig.UpdateStrategy = cmp.Or(want.UpdateConfig.UpdateStrategy, n.UpdateConfig.UpdateStrategy)
			add("MaxUnavailable", want.UpdateConfig.MaxUnavailable)
		}
		return st.ChangeNodegroup(n, want, params, region.Stamp(s.now()))
	})
}

// changedTaints are a group's taints after an update: a taint is known by key and effect.
func changedTaints(have, set, remove []region.NodegroupTaint) []region.NodegroupTaint {
	in := func(list []region.NodegroupTaint, t region.NodegroupTaint) bool {
		return slices.ContainsFunc(list, func(o region.NodegroupTaint) bool { return o.Key == t.Key && o.Effect == t.Effect })
	}
	kept := slices.DeleteFunc(slices.Clone(have), func(t region.NodegroupTaint) bool { return in(remove, t) || in(set, t) })
	return append(kept, set...)
}

func (s *Service) updateVersion(c call) (any, error) {
	var in struct {
		Version  string        `json:"version"`
		Release  string        `json:"releaseVersion"`
		Template *templateItem `json:"launchTemplate"`
		Force    bool          `json:"force"`
		Token    string        `json:"clientRequestToken"`
	}
	if err := body(c.Request, &in); err != nil {
		return nil, err
	}
	return s.updateNodegroup(c, in.Token, in, func(st *region.State, n *region.Nodegroup) (*region.NodegroupUpdate, error) {
		want := *n
		want.Version, want.ReleaseVersion, want.ForceUpdate = in.Version, in.Release, in.Force
		want.LaunchTemplate = in.Template.template()
		if n.LaunchTemplate != nil && in.Template == nil {
			want.LaunchTemplate = &region.NodegroupTemplate{ID: n.LaunchTemplate.ID, Version: n.LaunchTemplate.Version}
		}
		if n.AmiType != "CUSTOM" {
			want.Version = cmp.Or(in.Version, n.Version)
		}
		var params []region.Param
		for _, p := range [][2]string{{"Version", in.Version}, {"ReleaseVersion", in.Release}} {
			if p[1] != "" {
				params = append(params, region.Param{Type: p[0], Value: p[1]})
			}
		}
		return st.UpgradeNodegroup(n, want, params, region.Stamp(s.now()))
	})
}

// updateNodegroup begins an update of the group that a path names, and shows it.
func (s *Service) updateNodegroup(c call, token string, in any, begin func(*region.State, *region.Nodegroup) (*region.NodegroupUpdate, error)) (any, error) {
	return s.once(c, token, in, func(st *region.State) (string, error) {
		n, err := st.Nodegroup(c.Vars[0], c.Vars[1])
		if err != nil {
			return "", err
		}
		u, err := begin(st, n)
		if err != nil {
			return "", err
		}
		return u.ID, nil
	}, func(st *region.State, id string) (any, error) {
		return nodegroupUpdate(st, c.Vars[0], c.Vars[1], id)
	})
}

// nodegroupUpdate shows one update of a group.
func nodegroupUpdate(st *region.State, cluster, name, id string) (any, error) {
	n, err := st.Nodegroup(cluster, name)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(n.Updates, func(u region.NodegroupUpdate) bool { return u.ID == id })
	if at < 0 {
		return nil, region.Errorf(region.NotFound, "ResourceNotFoundException", "No update found for ID: %s", id)
	}
	return object{"update": showUpdate(&n.Updates[at])}, nil
}

// nodegroupUpdates answers about the updates of the group that a request's query
// names: lists them, or shows one.
func (s *Service) nodegroupUpdates(c call, name string) (any, error) {
	return s.read(func(st *region.State) (any, error) {
		if len(c.Vars) > 1 {
			return nodegroupUpdate(st, c.Vars[0], name, c.Vars[1])
		}
		n, err := st.Nodegroup(c.Vars[0], name)
		if err != nil {
			return nil, err
		}
		ids := []string{}
		for _, u := range n.Updates {
			ids = append(ids, u.ID)
		}
		ids, next, err := page(c.Request, ids)
		return listing("updateIds", ids, next), err
	})
}

func showUpdate(u *region.NodegroupUpdate) object {
	params, errs := []object{}, []object{}
	for _, p := range u.Params {
		params = append(params, object{"type": p.Type, "value": p.Value})
	}
	for _, e := range u.Errors {
		errs = append(errs, object{"errorCode": e.Code, "errorMessage": e.Message, "resourceIds": e.Resources})
	}
	return object{"id": u.ID, "status": u.Status, "type": u.Type, "params": params, "createdAt": u.Created.Unix(), "errors": errs}
}

func showNodegroup(st *region.State, stored *region.Nodegroup) object {
	n := st.Shown(stored)
	issues, marks, groups := []object{}, []taintItem{}, []object{}
	for _, i := range n.Issues {
		issues = append(issues, object{"code": i.Code, "message": i.Message, "resourceIds": i.Resources})
	}
	for _, t := range n.Taints {
		marks = append(marks, taintItem{t.Key, t.Value, t.Effect})
	}
	if st.Groups[n.Group] != nil {
		groups = append(groups, object{"name": n.Group})
	}
	how := n.UpdateConfig
	o := object{"nodegroupName": n.NodegroupName, "nodegroupArn": n.Arn, "clusterName": n.ClusterName, "version": n.Version,
		"releaseVersion": n.ReleaseVersion, "createdAt": n.Created.Unix(), "modifiedAt": n.Modified.Unix(), "status": n.Status,
		"capacityType": n.CapacityType, "amiType": n.AmiType, "nodeRole": n.NodeRole, "subnets": n.Subnets, "labels": n.Labels,
		"taints": marks, "instanceTypes": n.InstanceTypes, "tags": n.Tags,
		"scalingConfig": object{"minSize": n.Scaling.MinSize, "maxSize": n.Scaling.MaxSize, "desiredSize": n.Scaling.DesiredSize},
		"updateConfig":  strategyItem{how.MaxUnavailable, how.MaxUnavailablePercentage, how.UpdateStrategy},
		"health":        object{"issues": issues}, "resources": object{"autoScalingGroups": groups}}
	if n.DiskSize > 0 {
		o["diskSize"] = n.DiskSize
	}
	if t := n.LaunchTemplate; t != nil {
		o["launchTemplate"] = templateItem{t.ID, t.Name, t.Version}
	}
	return o
}
