package link

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComparePlaceOrdersByBusAndValue(t *testing.T) {
	nics := []NIC{
		{Index: 2},
		{Index: 3, DevicePath: "/sys/devices/pci0000:00/0000:00:0a.0/virtio10"},
		{Index: 4, DevicePath: "/sys/devices/pci0000:00/0000:00:03.0/virtio2"},
		{Index: 5, DevicePath: "/sys/devices/vif-10"},
		{Index: 6, DevicePath: "/sys/devices/vif-2"},
		{Index: 1},
		{Index: 8, DevicePath: "/sys/devices/pci0000:00/0000:00:03.0/virtio2"},
	}
	slices.SortFunc(nics, ComparePlace)
	var got []int
	for _, n := range nics {
		got = append(got, n.Index)
	}
	if d := cmp.Diff([]int{4, 8, 3, 6, 5, 1, 2}, got); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}
