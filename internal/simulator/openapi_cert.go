package simulator

import "encoding/base64"

// Certificates describe certificate mode: the serial numbers by which requests and answers name the
// certificates, and the one that applications may download.
type Certificates struct {
	App, Alipay, Root string // serial numbers
	AlipayPEM         string
}

// checkCertificates checks that a request names the certificates on file.
func (c *call) checkCertificates() error {
	on := c.app.Certificates
	if on == nil {
		return nil
	}
	if app := c.m["app_cert_sn"]; app != on.App {
		return invalid("app-cert-sn", "app_cert_sn %q: the application's certificate is %s", app, on.App)
	}
	if root := c.m["alipay_root_cert_sn"]; root != on.Root {
		return invalid("alipay-root-cert-sn",
			"alipay_root_cert_sn %q: the root certificates are %s", root, on.Root)
	}
	return nil
}

// downloadCertificate answers alipay.open.app.alipaycert.download with the certificate that an
// answer's alipay_cert_sn names. There is only the current one.
func (s *Simulator) downloadCertificate(c *call) (content, error) {
	on := c.app.Certificates
	switch {
	case on == nil:
		return nil, &openapiError{
			"40006", "isv.insufficient-isv-permissions", "the application is not in certificate mode",
		}
	case c.biz["alipay_cert_sn"] != on.Alipay:
		return nil, business("INVALID_PARAMETER", "alipay_cert_sn %q: the certificate is %s",
			c.biz["alipay_cert_sn"], on.Alipay)
	}
	return content{"alipay_cert_content": base64.StdEncoding.EncodeToString([]byte(on.AlipayPEM))}, nil
}
