#!/usr/bin/env bash
# Makes the keys, certificates and signed answers of the tests anew, with openssl (and python3 for a long number): they are what this
# program's own code, and the library's, are compared with. The keys protect nothing.
set -euo pipefail
cd "$(dirname "$0")"
for who in app alipay; do
  openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $who.key
  openssl pkey -in $who.key -pubout -out $who.pub
done
root=$(mktemp)
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$root" -days 36500 -sha256 -subj '/C=CN/O=Test/CN=Test Root' -out root.crt 2>/dev/null
for who in app alipay; do
  openssl req -new -key $who.key -subj "/C=CN/O=Test/CN=$who" |
    openssl x509 -req -CA root.crt -CAkey "$root" -days 36500 -sha256 -out $who.crt 2>/dev/null
done
rm -f "$root"
openssl ecparam -name prime256v1 -genkey -noout | openssl req -x509 -new -key /dev/stdin -days 36500 -subj '/CN=Test EC' -out ec.crt

# Alipay's name of a certificate: the MD5 of its issuer (RFC 2253) and its serial number in decimal.
for who in app alipay root; do
  issuer=$(openssl x509 -in $who.crt -noout -issuer -nameopt RFC2253 | sed 's/^issuer=//')
  serial=$(openssl x509 -in $who.crt -noout -serial | sed 's/^serial=//')
  printf '%s%s' "$issuer" "$(python3 -c "print(int('$serial', 16))")" | md5sum | cut -d' ' -f1
done >sns.txt

# A request as it is signed, and its signature.
printf '%s' 'app_id=2014072300007148&biz_content={"button":[{"actionParam":"ZFB_HFCZ","actionType":"out","name":"话费充值"}]}&charset=GBK&method=alipay.mobile.public.menu.add&sign_type=RSA2&timestamp=2014-07-24 03:07:50&version=1.0' >request.txt
openssl dgst -sha256 -sign app.key request.txt | base64 -w0 >request.sig

answer() { # name, member, text, key, more
  printf '%s' "$3" >answer.tmp
  printf '{"%s":%s%s,"sign":"%s"}' "$2" "$3" "${5:-}" "$(openssl dgst -sha256 -sign "$4" answer.tmp | base64 -w0)" >"answer_$1.json"
  rm answer.tmp
}
q=alipay_user_certify_open_query_response
pass='{"code":"10000","msg":"Success","passed":"T","identity_info":"{}","material_info":"{}"}'
answer pass $q "$pass" alipay.key
answer spaced $q '{ "code" : "10000", "msg":"Success", "passed" : "T" , "identity_info":"{\"name\":\"\\u5f20\"}"}' alipay.key
answer fail $q '{"code":"10000","msg":"Success","passed":"F"}' alipay.key
answer forged $q "$pass" app.key
answer by_certificate $q "$pass" alipay.key ",\"alipay_cert_sn\":\"$(sed -n 2p sns.txt)\""
answer other_certificate $q "$pass" alipay.key ",\"alipay_cert_sn\":\"$(sed -n 3p sns.txt)\""
answer refused $q '{"code":"40004","msg":"Business Failed","sub_code":"CERTIFY_ID_NOT_EXIST","sub_msg":"-"}' alipay.key
