/**
 * Treatment of an omitted parameter by the parameter table. `value`: its default applies. `empty`: it may be omitted
 * and becomes an empty text. `required`: it must be given. `open`: the table does not say.
 */
export type PresetKind = 'value' | 'empty' | 'required' | 'open'

/** Cells of a parameter's row, as text without markup. */
interface PresetCells {
  name: string
  description: string
  /** From the column Default or Value. */
  preset: string
  /** The same cell with markup: empty backticks are an empty text, an empty cell says nothing. */
  written: string
  /** From a column Required. */
  required: string
}

/** A keyword must end the cell, or be followed by a mark and a remark: "none (all of them)", "required: a URL". */
const thenRemark = '(?=[\\W_]*$|\\s*[(:;,.–—]|\\s+-)'
const saysRequired = new RegExp(
  `^[\\W_]*((required|mandatory|tbd|no default|must be (given|set|provided)|(user|caller)[- ](provided|supplied))${thenRemark}|(provided|given|supplied) by\\b)`,
  'i',
)
const saysEmpty = new RegExp(
  `^[\\W_]*(optional\\b|(none|null|nil|n/a|undefined|unset|not set|unspecified|empty|empty string|blank|omitted|left out)${thenRemark})`,
  'i',
)
/** Words that revoke "none", as in "None (must be given)". */
const takesBack = /\b(required|mandatory|must|has to)\b/i
const dashes = /^[-–—−]+(\s*\([^()]*\))?$/
const emptyQuotes = /^(""|''|“”|‘’|«»)$/
const emptyCode = /^(`{2,}|`\s+`)$/
const holder = /^([_.?*]+|<[^<>]*>)$/

const yes = /^\W*(yes|y|true|required|mandatory|always|x)\b|^[✓✔✅]/i
const no = /^\W*(no|n|false|optional|never)\b|^[✗✘❌–—-]/i

/** A remark in brackets, or a sentence of its own at the beginning; "required if …" is none. */
const remark = (word: string): RegExp =>
  new RegExp(`[([]\\s*${word}\\s*[)\\],;:.–—-]|^\\W*${word}\\s*([.:;,–—-]|$)`, 'i')
const remarksRequired = remark('(required|mandatory)')
const remarksOptional = remark('optional')

/** Reads whether the other cells of the row say required or optional. */
const markOf = ({ name, description, required }: PresetCells): 'required' | 'optional' | undefined => {
  if (yes.test(required) || remarksRequired.test(name) || remarksRequired.test(description)) return 'required'
  return no.test(required) || remarksOptional.test(name) || remarksOptional.test(description) ? 'optional' : undefined
}

const ofPreset = ({ preset, written }: PresetCells): PresetKind => {
  const text = preset.trim()
  if (text === '') return emptyCode.test(written.trim()) ? 'empty' : 'open'
  if (saysRequired.test(text)) return 'required'
  if (saysEmpty.test(text)) return takesBack.test(text) ? 'required' : 'empty'
  if (dashes.test(text) || emptyQuotes.test(text)) return 'empty'
  return holder.test(text) ? 'open' : 'value'
}

/**
 * Classifies a row. Its default counts first; when that is no value, a single word `required` anywhere in the row
 * outweighs the rest.
 */
export const presetKindOf = (cells: PresetCells): PresetKind => {
  const kind = ofPreset(cells)
  if (kind === 'value' || kind === 'required') return kind
  const mark = markOf(cells)
  if (mark === 'required') return 'required'
  return mark === 'optional' ? 'empty' : kind
}

/** "Yes unless `url` is provided", "required if neither url nor text is given". */
const unlessGiven =
  /\b(?:unless|if not|(?:if|when) (?:no|neither))\s+([^.;()]{1,200}?)\s+(?:is|are|was|were|has been|have been)\s+(?:also\s+)?(?:provided|given|set|specified|supplied|present|passed)\b/i
const between = /\s*,\s*(?:or|and|nor)?\s*|\s+(?:or|and|nor)\s+/i

/** Names of the parameters that a row may be omitted for, as they are written in it. */
export const alternativesIn = ({ required, preset, description }: PresetCells): string[] => {
  const found = [required, preset, description]
    .map((cell) => unlessGiven.exec(cell)?.[1])
    .find((one) => one !== undefined)
  return found === undefined ? [] : found.split(between).map((name) => name.replace(/^(a|an|the)\s+/i, ''))
}
