# coding=utf-8
import hashlib
import requests
import datetime

environment = "https://test-openapi-hk.qfapi.com"
app_code = "YOUR_APP_CODE"
client_key = "YOUR_CLIENT_KEY"

def make_req_sign(data, key):
    keys = sorted(list(data.keys()))
    parts = [f"{k}={data[k]}" for k in keys]
    sign_str = ("&".join(parts) + key).encode("utf-8")
    return hashlib.md5(sign_str).hexdigest().upper()

txdtm = datetime.datetime.now().replace(microsecond=0).strftime("%Y-%m-%d %H:%M:%S")

data = {
    "txamt": "10",
    "txcurrcd": "HKD",
    "pay_type": "801107",
    "out_trade_no": "01234567890123",
    "txdtm": txdtm,
    "goods_name": "test1",
    "return_url": "https://merchant.example/success",
    "notify_url": "https://merchant.example/notify"
    # "mchid": "ZaMVg*****"  # include only if provided by QFPay
    # "openid": "xxx"        # required for pay_type=800107 only
}

headers = {
    "X-QF-APPCODE": app_code,
    "X-QF-SIGN": make_req_sign(data, client_key)
}

resp = requests.post(environment + "/trade/v1/payment", data=data, headers=headers)
print(resp.json())
