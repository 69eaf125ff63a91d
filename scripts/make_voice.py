"""Make the built-in recordings: gated/voice/LANGUAGE/PROMPT.wav and gated/voice/texts.json.

    python scripts/make_voice.py          # needs the programs espeak-ng and sox

Run it after a text in gated/texts.PROMPTS has changed; a new Chinese text needs a line in PINYIN.
The programs are needed here only: a gate plays what is in the package.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gated.texts import LANGUAGES, PROMPTS, Language, say
from gated.vocabulary import Prompt

FOLDER = Path(__file__).resolve().parents[1] / "gated" / "voice"
SILENT = frozenset({Prompt.READY})  # nobody is waiting for anything
VOICES: dict[Language, str] = {"zh-Hans": "cmn-latn-pinyin", "en": "en-gb"}
WORDS_PER_MINUTE: dict[Language, int] = {"zh-Hans": 216, "en": 192}
LOUDER = ("norm", "-3", "gain", "-l", "7")  # sox: a limiter instead of peaks, for a loud yard
MAX_TOTAL_BYTES = 2_500_000

# espeak-ng 1.51 reads Chinese characters wrongly (tone digits come out in English), pinyin well.
# Tones are written as spoken: 你好 would be ni2hao3, 一个 yi2ge4, 一点 yi4dian3.
PINYIN = {
    "请看向测温口": "qing3 kan4xiang4 ce4wen1kou3",
    "请再靠近一点": "qing3 zai4 kao4jin4 yi4dian3",
    "请站稳别动": "qing3 zhan4wen3 bie2dong4",
    "请站好，再测一次": "qing3 zhan4hao3, zai4 ce4 yi2ci4",
    "请到避风阴凉处休息，三分钟后再测": (
        "qing3 dao4 bi4feng1 yin1liang2 chu4 xiu1xi5, san1 fen1zhong1 hou4 zai4 ce4"
    ),
    "请出示通行码": "qing3 chu1shi4 tong1xing2ma3",
    "请把码靠近一点": "qing2 ba2 ma3 kao4jin4 yi4dian3",
    "请把码拿远一点": "qing2 ba2 ma3 na2yuan3 yi4dian3",
    "请把屏幕调亮": "qing2 ba3 ping2mu4 tiao2liang4",
    "有反光，请把码转动一下": "you2 fan3guang1, qing2 ba2 ma3 zhuan4dong4 yi2xia4",
    "请把码拿稳": "qing2 ba2 ma3 na2wen3",
    "请只出示一个码": "qing2 zhi3 chu1shi4 yi2ge4 ma3",
    "此码不能用，请换一个码": "ci2 ma3 bu4neng2 yong4, qing3 huan4 yi2ge4 ma3",
    "请稍候": "qing3 shao1hou4",
    "请通行": "qing3 tong1xing2",
    "谢谢，请在门外等候": "xie4xie5, qing3 zai4 men2wai4 deng3hou4",
    "请到旁边稍候，老师马上来": "qing3 dao4 pang2bian1 shao1hou4, lao3shi1 ma3shang4 lai2",
    "老师：请先刷工作卡": "lao3shi1, qing3 xian1 shua1 gong1zuo4ka3",
    "老师：请扫体温值，再按按钮": "lao3shi1, qing2 sao2 ti3wen1 zhi2, zai4 an4 an4niu3",
    "请把闸门关好": "qing2 ba3 zha2men2 guan1hao3",
    "暂不开放，请联系值班人员": ("zan4 bu4 kai1fang4, qing3 lian2xi4 zhi2ban1 ren2yuan2"),
    "设备故障，请找值班人员": "she4bei4 gu4zhang4, qing2 zhao3 zhi2ban1 ren2yuan2",
}


def spoken_texts() -> dict[Language, dict[Prompt, str]]:
    """Return language → prompt → the text that its recording says."""
    return {
        language: {p: say(texts, language) for p, texts in PROMPTS.items() if p not in SILENT}
        for language in LANGUAGES
    }


def missing_pinyin() -> list[str]:
    """Return the Chinese texts without pinyin, or whose pinyin has another number of syllables."""
    return [
        text
        for text in spoken_texts()["zh-Hans"].values()
        if len(re.findall(r"[a-z]+[1-5]", PINYIN.get(text, "")))
        != len(re.findall(r"[\u4e00-\u9fff]", text))
    ]


def record(text: str, language: Language, to: Path) -> None:
    """Write one recording: 16 kHz, mono, 16 bit, level, its pauses short and none around it."""
    words = PINYIN[text] if language == "zh-Hans" else text
    voice = ["espeak-ng", "-v", VOICES[language], "-s", str(WORDS_PER_MINUTE[language])]
    phonemes = subprocess.run(
        [*voice, "-q", "-x", words], check=True, capture_output=True, text=True
    ).stdout
    if "(en)" in phonemes:
        sys.exit(f"make_voice: espeak-ng reads part of this as English: {words}")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.wav"
        subprocess.run([*voice, "-w", str(raw), words], check=True)
        trim = ["silence", "-l", "1", "0.02", "0.5%", "-1", "0.12", "0.5%", "reverse"]
        sox = ["sox", "-D", str(raw), "-b", "16", "-c", "1", str(to)]
        tidy = ["gain", "-6", "highpass", "100", *trim, *trim]
        level = ["rate", "16000", *LOUDER, "norm", "-2", "pad", "0.02", "0.03"]
        subprocess.run([*sox, *tidy, *level], check=True)


def main() -> None:
    """Make them all, or say what is missing."""
    if absent := [name for name in ("espeak-ng", "sox") if shutil.which(name) is None]:
        sys.exit(f"make_voice: install first: {' '.join(absent)}")
    if texts := missing_pinyin():
        sys.exit(f"make_voice: give these texts a correct line in PINYIN: {'; '.join(texts)}")
    spoken = spoken_texts()
    for language, texts_of in spoken.items():
        folder = FOLDER / language
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob("*.wav"):
            stale.unlink()
        for prompt, text in texts_of.items():
            record(text, language, folder / f"{prompt}.wav")
    manifest = json.dumps(spoken, ensure_ascii=False, indent=1)
    (FOLDER / "texts.json").write_text(f"{manifest}\n", encoding="utf-8")
    sizes = [file.stat().st_size for file in FOLDER.rglob("*.wav")]
    print(f"{len(sizes)} recordings, {sum(sizes) / 1e6:.2f} MB")
    if sum(sizes) > MAX_TOTAL_BYTES:
        sys.exit(f"make_voice: more than {MAX_TOTAL_BYTES} bytes: speak faster or shorten texts")


if __name__ == "__main__":
    main()
