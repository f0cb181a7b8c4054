// A photo that can be looked at closely. Nothing here changes what is stored.
import { useEffect, useState } from "preact/hooks";
import { Button } from "../shared/components";
import { number, t } from "../shared/i18n";
import { useKeys } from "./office";
import { Watermark } from "./parts";
import { mediaURL } from "./calls";

const zooms = [1, 1.5, 2, 3, 4];

/** Zoom to 400 %, quarter turns, light and contrast. `keys` is whether Z and T are for this one. */
export function Viewer({ id, alt, keys, onSeen }: { id: string; alt: string; keys?: boolean; onSeen: (id: string) => void }) {
  const [zoom, setZoom] = useState(1);
  const [turn, setTurn] = useState(0);
  const [light, setLight] = useState(100);
  const [contrast, setContrast] = useState(100);
  const [broken, setBroken] = useState(false);
  useEffect(() => {
    setZoom(1);
    setTurn(0);
    setLight(100);
    setContrast(100);
    setBroken(false);
  }, [id]);
  const nextZoom = () => setZoom((z) => zooms[(zooms.indexOf(z) + 1) % zooms.length] ?? 1);
  const nextTurn = () => setTurn((q) => (q + 1) % 4);
  useKeys((act) => {
    if (!keys) return false;
    if (act === "zoom") nextZoom();
    else if (act === "turn") nextTurn();
    else return false;
    return true;
  });
  return (
    <div class="viewer">
      <div class="viewer-tools" role="toolbar" aria-label={t("review.viewer.tools")}>
        <Button kind="quiet" test="zoom" onClick={nextZoom}>{t("review.viewer.zoom", { n: number(zoom * 100) })}</Button>
        <Button kind="quiet" icon="again" test="turn" onClick={nextTurn}>{t("review.viewer.turn")}</Button>
        <label class="slider"><span>{t("review.viewer.light")}</span><input type="range" min="40" max="220" step="5" value={light} data-test="light" onInput={(e) => setLight(Number(e.currentTarget.value))} /></label>
        <label class="slider"><span>{t("review.viewer.contrast")}</span><input type="range" min="40" max="260" step="5" value={contrast} data-test="contrast" onInput={(e) => setContrast(Number(e.currentTarget.value))} /></label>
        {light !== 100 || contrast !== 100 || zoom !== 1 || turn !== 0 ? <Button kind="quiet" test="plain" onClick={() => { setLight(100); setContrast(100); setZoom(1); setTurn(0); }}>{t("review.viewer.plain")}</Button> : null}
      </div>
      <div class="viewer-frame">
        <div class="viewer-scroll" tabIndex={0} role="region" aria-label={alt} data-test="viewer" data-zoom={zoom} data-turn={turn}>
          <div class="viewer-stage" style={{ width: `${zoom * 100}%`, height: `${zoom * 100}%` }}>
            {broken ? <p class="viewer-broken">{t("review.viewer.broken")}</p> : (
              <img src={mediaURL(id)} alt={alt} class={turn % 2 ? "quarter" : ""} draggable={false} data-test={`media-${id}`}
                style={{ rotate: `${turn * 90}deg`, filter: `brightness(${light}%) contrast(${contrast}%)` }} onLoad={() => onSeen(id)} onError={() => setBroken(true)} />
            )}
          </div>
        </div>
        <Watermark />
      </div>
    </div>
  );
}
