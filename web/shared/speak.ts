/** Speaks a sentence to somebody who repeats it. */

/** The browser's voice of a language, or undefined where it has none: then nothing is offered. */
export function voiceOf(lang: string): SpeechSynthesisVoice | undefined {
  const base = (tag: string): string => tag.toLowerCase().split(/[-_]/)[0]!;
  const voices = globalThis.speechSynthesis?.getVoices() ?? [];
  const same = voices.filter((voice) => base(voice.lang) === base(lang));
  // One on the device works without a network.
  return same.find((voice) => voice.localService) ?? same[0];
}

/** Calls `heard` when the list of voices came, which it does late in some browsers; returns how to stop. */
export function onVoices(heard: () => void): () => void {
  globalThis.speechSynthesis?.addEventListener?.("voiceschanged", heard);
  return () => globalThis.speechSynthesis?.removeEventListener?.("voiceschanged", heard);
}

/** How long a sentence may take, whatever the browser says of it. */
const longest = 20_000;

/** Speaks, and resolves when it is over; false where it did not work. Aborting it stops the voice. */
export function speak(text: string, lang: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const saying = new SpeechSynthesisUtterance(text);
    const voice = voiceOf(lang);
    if (voice !== undefined) saying.voice = voice;
    saying.lang = voice?.lang ?? lang;
    saying.rate = 0.9;
    const end = (good: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      resolve(good);
    };
    const aborted = (): void => {
      speechSynthesis.cancel();
      end(false);
    };
    const timer = setTimeout(aborted, longest);
    saying.onend = () => end(true);
    saying.onerror = () => end(false);
    signal.addEventListener("abort", aborted);
    speechSynthesis.cancel();
    speechSynthesis.speak(saying);
  });
}
