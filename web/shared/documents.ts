// What is particular to a kind of document, as package cases of the server has it; numbers are read as package checks does.
import { normalizeNumber, readResident18, readResidentId, upgradeResidentId, type ResidentId } from "./resident-id";

/** One rule of the policy: who may use which documents. "*" is everybody. */
export interface DocumentRule { nationalities: string[]; types: string[] }

/** The documents of a nationality: those of the first rule that names it. */
export function typesFor(rules: readonly DocumentRule[], nationality: string): readonly string[] {
  return rules.find((r) => r.nationalities.includes(nationality) || r.nationalities.includes("*"))?.types ?? [];
}

/** Whether a document of this type can be valid without an end. */
export function canBeLongTerm(type: string): boolean {
  return type === "cn_resident_id";
}

const HK_MACAU = /^[HM]\d{8}(\d{2})?$/;
const TAIWAN = /^\d{8}$/;
const FOREIGNER_2017 = /^[A-Z]{3}\d{12}$/;
const FOREIGNER_2023 = /^9\d{16}[\dX]$/;
const PASSPORT = /^[A-Z0-9]{5,20}$/;

/** Reads a number of a type, with what it says of its holder, if it does. Types that this page does not know are left to the server. */
export function readNumber(type: string, typed: string, today: string): ResidentId {
  const number = normalizeNumber(typed);
  const form = (ok: boolean): ResidentId => ({ verdict: ok ? "ok" : "form", number });
  switch (type) {
    case "cn_resident_id": {
      // As people remember it from their first card.
      const up = number.length === 15 ? upgradeResidentId(number) : undefined;
      return up && up.verdict !== "ok" ? up : readResidentId(up?.number ?? typed, today);
    }
    case "hk_macau_permit": return form(HK_MACAU.test(number));
    case "taiwan_permit": return form(TAIWAN.test(number));
    case "hk_macau_residence_permit": return residence(number, today, ["810000", "820000"]);
    case "taiwan_residence_permit": return residence(number, today, ["830000"]);
    case "cn_foreigner_card":
      if (FOREIGNER_2017.test(number)) return form(true);
      if (!FOREIGNER_2023.test(number)) return form(false);
      return { verdict: residentCheck(number) ? "ok" : "check", number };
    case "passport": return form(PASSPORT.test(number));
    default: return form(number !== "");
  }
}

function residence(number: string, today: string, regions: string[]): ResidentId {
  return regions.includes(number.slice(0, 6)) ? readResident18(number, today) : { verdict: "form", number };
}

function residentCheck(number: string): boolean {
  return readResident18(number, "9999-12-31").verdict !== "check";
}

