"""Signatures of payment, checked by implementations that are not ours: wechatpayv3 and wechat-xpay.

They sign and encrypt, we verify and decrypt; then the other way round. Keys are made for each run. Our side is the
program `payment_peer`, whose path is the first argument; scripts/payment-interop.sh starts this.
"""

import base64
import datetime
import hashlib
import http.server
import json
import os
import secrets
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID
from wechat_xpay import auth, client, webhook
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3 import utils as v3

CHECKED = []


def check(name, holds, seen=""):
    if not holds:
        sys.exit(f"FAILED: {name} {seen}")
    CHECKED.append(name)


class Peer:
    """Our side: one command, one answer."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, do, **fields):
        answer = self.raw(do, **fields)
        if "error" in answer:
            sys.exit(f"FAILED: {do}: {answer['error']}")
        return answer

    def raw(self, do, **fields):
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def private_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


class Keys:
    """Those of a merchant, and of the platform in both of its kinds."""

    def __init__(self):
        make = lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.merchant, self.platform, self.public = make(), make(), make()
        self.mch_id, self.serial_no = "1230000109", secrets.token_hex(20).upper()
        self.app_id, self.api_v3_key = "wxd678efh567hg6787", secrets.token_hex(16)
        self.public_key_id = "PUB_KEY_ID_" + secrets.token_hex(16).upper()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
        now = datetime.datetime.now(datetime.timezone.utc)
        # Long lengths, a serial whose highest bit is set, and extensions, as real certificates have.
        self.serial = int.from_bytes(b"\x7f" + secrets.token_bytes(19), "big")
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
        builder = builder.public_key(self.platform.public_key()).serial_number(self.serial)
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1825))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        certificate = builder.sign(self.platform, hashes.SHA256())
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.certificate_serial = f"{self.serial:X}"

    def sealed(self, plain, associated_data, nonce="fdasflkja484"):
        text = AESGCM(self.api_v3_key.encode()).encrypt(nonce.encode(), plain.encode(), associated_data.encode())
        text = base64.b64encode(text).decode()
        opened = v3.aes_decrypt(nonce, text, associated_data, self.api_v3_key)
        check("wechatpayv3 opens what is sealed here", opened == plain)
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": associated_data,
            "ciphertext": text,
        }

    def headers(self, body, by="public_key"):
        timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
        key = self.public if by == "public_key" else self.platform
        serial = self.public_key_id if by == "public_key" else self.certificate_serial
        signature = v3.rsa_sign(key, f"{timestamp}\n{nonce}\n{body}\n")
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": signature,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }


class Provider(http.server.BaseHTTPRequestHandler):
    """WeChat, whose hand is wechatpayv3 and wechat-xpay."""

    keys = None
    by = "public_key"
    app_key = "an app key of the test"
    problems = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve("GET", "")

    def do_POST(self):
        self.serve("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def serve(self, method, body):
        path = self.path.split("?")[0]
        if path.startswith("/v3/"):
            self.verify_merchant(method, body)
            answer = json.dumps(self.v3(path, json.loads(body or "{}")), ensure_ascii=False)
            return self.send(answer, self.keys.headers(answer, self.by))
        if path.startswith("/xpay/"):
            query = dict(pair.split("=") for pair in self.path.split("?")[1].split("&"))
            if query["pay_sig"] != auth.calc_pay_sig(path, body, self.app_key):
                self.problems.append(f"pay_sig of {path}")
            if query["access_token"] != "the-token":
                self.problems.append("access_token")
            return self.send(json.dumps(self.xpay(path, json.loads(body))), {})
        self.send(json.dumps({"access_token": "the-token", "expires_in": 7200}), {})

    def verify_merchant(self, method, body):
        """The header that wechatpayv3 would have written, given our time and nonce."""
        ours = self.headers["Authorization"]
        fields = dict(part.split("=", 1) for part in ours.split(" ", 1)[1].split(","))
        fields = {name: value.strip('"') for name, value in fields.items()}
        with mock.patch.object(v3.time, "time", lambda: int(fields["timestamp"])):
            theirs = v3.build_authorization(
                self.path, method, self.keys.mch_id, self.keys.serial_no, self.keys.merchant,
                data=body, nonce_str=fields["nonce_str"],
            )
        if ours != theirs:
            self.problems.append(f"{method} {self.path}: {ours} is not {theirs}")

    def v3(self, path, asked):
        keys = self.keys
        if path == "/v3/certificates":
            return {"data": [{
                "serial_no": keys.certificate_serial,
                "effective_time": "2018-06-08T10:34:56+08:00",
                "expire_time": "2038-12-08T10:34:56+08:00",
                "encrypt_certificate": keys.sealed(keys.certificate, "certificate"),
            }]}
        if path.endswith("/jsapi"):
            return {"prepay_id": "wx201410272009395522657a690389285100"}
        if path.endswith("/refunds"):
            return {"out_refund_no": asked["out_refund_no"], "status": "PROCESSING"}
        return transaction(keys, path.rsplit("/", 1)[1])

    def xpay(self, path, asked):
        if path == "/xpay/query_order":
            return {"errcode": 0, "errmsg": "ok", "order": {
                "order_id": asked["order_id"], "status": 4, "order_fee": 1000, "paid_fee": 1000, "left_fee": 1000,
                "paid_time": int(time.time()), "wx_order_id": "wx1", "wxpay_order_id": "txn1",
            }}
        return {"errcode": 0, "errmsg": "ok"}

    def send(self, body, headers):
        body = body.encode()
        self.send_response(200)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def transaction(keys, number):
    return {
        "appid": keys.app_id, "mchid": keys.mch_id, "out_trade_no": number, "transaction_id": "42000",
        "trade_type": "JSAPI", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
        "success_time": "2018-06-08T10:34:56+08:00", "payer": {"openid": "openid-kong"},
        "amount": {"total": 1000, "payer_total": 1000, "currency": "CNY", "payer_currency": "CNY"},
    }


def they_are_wechat_pay(peer, url, keys):
    said = dict(
        url=url, app_id=keys.app_id, mch_id=keys.mch_id, serial_no=keys.serial_no, api_v3_key=keys.api_v3_key,
        private_key=private_pem(keys.merchant),
    )
    theirs = WeChatPay(
        WeChatPayType.MINIPROG, keys.mch_id, private_pem(keys.merchant), keys.serial_no, keys.app_id,
        keys.api_v3_key, public_key=public_pem(keys.public), public_key_id=keys.public_key_id,
    )
    modes = {
        "public_key": dict(public_key_id=keys.public_key_id, public_key=public_pem(keys.public), certificates=""),
        "certificate": dict(public_key_id="", public_key="", certificates=keys.certificate),
        "downloaded certificate": dict(public_key_id="", public_key="", certificates=""),
    }
    for mode, texts in modes.items():
        Provider.by = "public_key" if mode == "public_key" else "certificate"
        peer("merchant", **said, **texts)
        shown = peer("prepay", channel="wechat_pay", order=1)
        signed = theirs.sign([keys.app_id, shown["timeStamp"], shown["nonceStr"], shown["package"]])
        check(f"{mode}: wx.requestPayment is signed as wechatpayv3 signs it", shown["paySign"] == signed)
        check(f"{mode}: an answer that wechatpayv3 signed", peer("query", channel="wechat_pay", order=1)["paid"] == 1000)
        check(f"{mode}: a refund", peer("refund", channel="wechat_pay", order=1)["status"] == "pending")
        body = json.dumps({
            "id": "EV-1", "create_time": "2018-06-08T10:34:56+08:00", "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS", "summary": "支付成功",
            "resource": keys.sealed(json.dumps(transaction(keys, shown["number"])), "transaction"),
        }, ensure_ascii=False)
        headers = keys.headers(body, Provider.by)
        read = peer("read", channel="wechat_pay", headers=headers, query={}, body=body)
        wanted = (shown["number"], 1000, "openid-kong", 1528425296000)
        check(f"{mode}: a notice", (read["number"], read["paid"], read["openid"], read["paid_at"]) == wanted, read)
        refused = peer("read", channel="wechat_pay", headers=headers, query={}, body=body + " ")
        check(f"{mode}: a changed notice", refused == {"refused": "signature"}, refused)
    check("every request is signed as wechatpayv3 signs it", Provider.problems == [], Provider.problems)


def we_are_wechat_pay(peer, fakes):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "platform.pem"), "w") as file:
            file.write(fakes["certificate"])
        common = dict(
            wechatpay_type=WeChatPayType.MINIPROG, mchid=fakes["mch_id"], private_key=fakes["private_key"],
            cert_serial_no=fakes["serial_no"], appid=fakes["app_id"], apiv3_key=fakes["api_v3_key"],
            notify_url="https://chat.example.com/api/payment/callback",
        )
        by_key = WeChatPay(**common, public_key=fakes["public_key"], public_key_id=fakes["public_key_id"])
        by_certificate = WeChatPay(**common, cert_dir=folder)
    by_key._core._gate_way = fakes["pay"]
    number = secrets.token_hex(16)
    code, message = by_key.pay(
        description="五元点数包", out_trade_no=number, amount={"total": 1000, "currency": "CNY"},
        payer={"openid": "openid-kong"}, time_expire="2038-06-08T10:34:56+08:00",
    )
    check("wechatpayv3 pays at our fake, and believes its answer", code == 200, message)
    peer("pay", number=number)
    code, message = by_key.query(out_trade_no=number)
    check("wechatpayv3 asks our fake", json.loads(message)["trade_state"] == "SUCCESS", message)
    code, message = by_key.refund(
        out_refund_no=secrets.token_hex(16), out_trade_no=number, reason="x",
        amount={"refund": 1, "total": 1000, "currency": "CNY"},
    )
    check("wechatpayv3 refunds at our fake", code == 200, message)
    for signer, theirs in {"public_key": by_key, "certificate": by_certificate}.items():
        sent = peer("notice", number=number, signer=signer)
        headers = {name.title(): value for name, value in sent["headers"].items()}
        read = theirs.callback(headers, sent["body"])
        check(f"wechatpayv3 opens a notice of ours by {signer}", read["resource"]["out_trade_no"] == number)
        check(f"and refuses it changed ({signer})", theirs.callback(headers, sent["body"] + " ") is None)
    forged = peer("notice", number=number, signer="foreign")
    headers = {name.title(): value for name, value in forged["headers"].items()}
    check("and refuses a forged one", by_certificate.callback(headers, forged["body"]) is None)


def push(keys, message, app_id):
    """The platform's push in safe mode, by cryptography and hashlib."""
    key = base64.b64decode(keys["push_aes_key"] + "=")
    text = message.encode()
    plain = secrets.token_bytes(16) + struct.pack(">I", len(text)) + text + app_id.encode()
    padding = 32 - len(plain) % 32
    plain += bytes([padding]) * padding
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    encrypt = base64.b64encode(cipher.update(plain) + cipher.finalize()).decode()
    timestamp, nonce = str(int(time.time())), str(secrets.randbelow(10**9))
    signed = "".join(sorted([keys["push_token"], timestamp, nonce, encrypt]))
    query = {"timestamp": timestamp, "nonce": nonce, "msg_signature": hashlib.sha1(signed.encode()).hexdigest()}
    return dict(headers={}, query=query, body=json.dumps({"ToUserName": "gh_1", "Encrypt": encrypt}))


def virtual_payment(peer, url, fakes):
    vector = auth.calc_pay_sig("/xpay/query_user_balance", '{"openid": "xxx", "user_ip": "127.0.0.1", "env": 0}', "12345")
    known = "c37809f27c6d7fd1837ad2500a04512b66b34fd793a39a385fade56dca89a4b5"
    check("the official vector", vector == known, vector)
    # 43 characters whose last one carries bits that 32 bytes have no room for.
    aes_key = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(43))
    said = dict(
        app_id=fakes["app_id"], app_secret=fakes["app_secret"], offer_id=fakes["offer_id"],
        push_token="another token", push_aes_key=aes_key,
    )
    peer("virtual", url=url, app_key=Provider.app_key, **said)
    shown = peer("prepay", channel="wechat_virtual", order=1)
    signed = auth.calc_pay_sig("requestVirtualPayment", shown["signData"], Provider.app_key)
    check("paySig is what wechat-xpay makes", shown["paySig"] == signed)
    signed = auth.calc_signature(shown["signData"], fakes["session_key"])
    check("signature is what wechat-xpay makes", shown["signature"] == signed)
    check("a query whose pay_sig wechat-xpay made too", peer("query", channel="wechat_virtual", order=1)["paid"] == 1000)
    check("and nothing was signed otherwise", Provider.problems == [], Provider.problems)
    message = {
        "ToUserName": "gh_1", "FromUserName": "o", "CreateTime": 1, "MsgType": "event",
        "Event": "xpay_goods_deliver_notify", "OpenId": fakes["openid"], "OutTradeNo": shown["number"], "Env": 0,
        "WeChatPayInfo": {"MchOrderNo": "m", "TransactionId": "t", "PaidTime": 1528425296},
        "GoodsInfo": {"ProductId": "credits_5", "Quantity": 2, "OrigPrice": 500, "ActualPrice": 500, "Attach": "中文"},
    }
    sent = push(said, json.dumps(message, ensure_ascii=False), fakes["app_id"])
    read = peer("read", channel="wechat_virtual", **sent)
    check("a push that cryptography encrypted", (read["number"], read["paid"]) == (shown["number"], 1000), read)
    sent["query"]["msg_signature"] = hashlib.sha1(b"x").hexdigest()
    check("and not a forged one", peer("read", channel="wechat_virtual", **sent) == {"refused": "signature"})

    peer("virtual", url=fakes["platform"], app_key=fakes["app_key"], **{**said, "push_token": fakes["push_token"],
         "push_aes_key": fakes["push_aes_key"]})
    shown = peer("prepay", channel="wechat_virtual", order=2)
    peer("client_pays", **shown)
    asked = json.dumps({
        "grant_type": "client_credential", "appid": fakes["app_id"], "secret": fakes["app_secret"], "force_refresh": False,
    }).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    token = json.load(opener.open(fakes["platform"] + "/cgi-bin/stable_token", asked))["access_token"]
    theirs = client.XPayClient(fakes["app_id"], fakes["app_key"], env=0, base_url=fakes["platform"])
    order = theirs.query_order(fakes["openid"], token, fakes["session_key"], order_id=shown["number"])
    check("wechat-xpay asks our fake", (order.order_fee, order.status) == (1000, 2), order)
    delivery = peer("delivery", number=shown["number"])
    notified = webhook.WebhookParser().parse(json.loads(delivery["message"]))
    goods = notified.goods_info
    check("wechat-xpay reads a delivery of ours", (notified.out_trade_no, goods.actual_price * goods.quantity) == (shown["number"], 1000))
    read = peer("read", channel="wechat_virtual", **delivery["push"])
    check("and so do we", (read["number"], read["paid"]) == (shown["number"], 1000), read)


def main():
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    peer = Peer(sys.argv[1])
    Provider.keys = Keys()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    fakes = peer("fakes")
    they_are_wechat_pay(peer, url, Provider.keys)
    we_are_wechat_pay(peer, fakes)
    virtual_payment(peer, url, fakes)
    peer.process.stdin.close()
    peer.process.wait(10)
    print(f"payment interop: {len(set(CHECKED))} checks hold")


main()
