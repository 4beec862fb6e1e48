package sign

import "testing"

func TestDocumentedVector(t *testing.T) {
	p := Params{"txcurrcd": "HKD", "txamt": "100", "mchid": "ZaMVg12345"}
	if got := Request(p, "abcd1234", MD5); got != "3CB3AA9C21D818AB4CAFAA8FA3FEACF4" {
		t.Error(got)
	}
	if got := Request(p, "abcd1234", SHA256); got != "99D9F7174823928B74C74B1C7A7E1538DF733774DD21C9606A202CB8BB3D74E8" {
		t.Error(got)
	}
}
