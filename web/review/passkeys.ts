// Passkeys: the browser speaks ArrayBuffers, the server base64url without padding.
import type { PasskeyAnswer, PasskeyCreation, PasskeyRequest } from "./types";

/** Bytes of base64url. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

/** Bytes as base64url without padding. */
export function textOf(bytes: ArrayBuffer): string {
  let raw = "";
  for (const b of new Uint8Array(bytes)) raw += String.fromCharCode(b);
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Whether this browser, at this address, knows passkeys at all. */
export function canUsePasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && isSecureContext;
}

/** Signs with a passkey. Rejects where the person or the browser says no. */
export async function signWithPasskey(r: PasskeyRequest): Promise<PasskeyAnswer> {
  const found = await navigator.credentials.get({
    publicKey: {
      challenge: bytesOf(r.challenge), rpId: r.rp_id, timeout: r.timeout_ms, userVerification: r.user_verification as UserVerificationRequirement,
      allowCredentials: r.allow.map((id) => ({ type: "public-key" as const, id: bytesOf(id) })),
    },
  });
  if (!(found instanceof PublicKeyCredential)) throw new Error("no passkey");
  const a = found.response as AuthenticatorAssertionResponse;
  return {
    id: found.id, client_data: textOf(a.clientDataJSON), authenticator_data: textOf(a.authenticatorData), signature: textOf(a.signature),
    ...(a.userHandle ? { user_handle: textOf(a.userHandle) } : {}),
  };
}

/** Makes a new passkey. */
export async function makePasskey(c: PasskeyCreation): Promise<PasskeyAnswer> {
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: bytesOf(c.challenge), rp: { id: c.rp_id, name: c.rp_name }, user: { id: bytesOf(c.user_id), name: c.user_name, displayName: c.user_name },
      pubKeyCredParams: c.algorithms.map((alg) => ({ type: "public-key" as const, alg })), timeout: c.timeout_ms,
      excludeCredentials: c.exclude.map((id) => ({ type: "public-key" as const, id: bytesOf(id) })),
      authenticatorSelection: { userVerification: c.user_verification as UserVerificationRequirement, residentKey: "preferred" },
    },
  });
  if (!(made instanceof PublicKeyCredential)) throw new Error("no passkey");
  const a = made.response as AuthenticatorAttestationResponse;
  return { id: made.id, client_data: textOf(a.clientDataJSON), attestation: textOf(a.attestationObject), transports: a.getTransports?.() ?? [] };
}
