/** What a recording is made of: its type, its bitrate, and what it costs to send. Pure rules. */

/** Bits a second. */
export interface Quality {
  video: number;
  audio: number;
}

/** Full quality: a minute is about 9.5 MB. */
export const best: Quality = { video: 1_200_000, audio: 64_000 };

/** From full quality down. Below the last one nobody could be recognised; a slower line waits. */
const qualities: readonly Quality[] = [
  best,
  { video: 900_000, audio: 64_000 },
  { video: 650_000, audio: 48_000 },
  { video: 450_000, audio: 40_000 },
  { video: 320_000, audio: 32_000 },
  { video: 250_000, audio: 32_000 },
];

/** By how much the line must be faster than the recording, so that it keeps up in its worse moments. */
const headroom = 1.3;

/** Chooses the best quality that a line keeps up with, of which so many bytes a second were measured; null is not measured. */
export function qualityFor(bytesPerSecond: number | null): Quality {
  if (bytesPerSecond === null) return best;
  return qualities.find((one) => keepsUp(bytesPerSecond, one)) ?? qualities[qualities.length - 1]!;
}

/** Says whether a line of so many bytes a second carries a recording while it is made. */
export function keepsUp(bytesPerSecond: number, quality: Quality): boolean {
  return bytesPerSecond * 8 >= headroom * (quality.video + quality.audio);
}

/** About how many bytes a recording of so many seconds has. */
export function bytesOf(quality: Quality, seconds: number): number {
  return Math.round(((quality.video + quality.audio) / 8) * seconds);
}

const mp4 = ["video/mp4;codecs=avc1.42E01E,mp4a.40.2", "video/mp4;codecs=avc1,mp4a.40.2", "video/mp4"];
const webm = ["video/webm;codecs=vp8,opus", "video/webm;codecs=vp9,opus", "video/webm"];

/**
 * The types to try, best first. Safari's WebM carries no rotation and plays lying on its side elsewhere, so
 * there it is MP4 or nothing; other browsers' MP4 comes in slices as long as their key frames are apart, so
 * there WebM comes first. Which of them really records is found out by recording a second of it.
 */
export function recordingTypes(supported: (type: string) => boolean, webkit: boolean): string[] {
  return (webkit ? mp4 : [...webm, ...mp4]).filter(supported);
}

/** The types of this browser; empty where it cannot record. */
export function typesHere(): string[] {
  if (typeof MediaRecorder !== "function" || typeof MediaRecorder.isTypeSupported !== "function") return [];
  // Every browser on an iPhone is Safari inside, whatever it calls itself.
  return recordingTypes((type) => MediaRecorder.isTypeSupported(type), navigator.vendor.startsWith("Apple"));
}
