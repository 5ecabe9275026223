/**
 * What the table of parameters says of a parameter that is not given: `value`, its default; `empty`, it may be left out
 * and stands as an empty text; `required`, it must be given; `open`, the table does not say.
 */
export type PresetKind = 'value' | 'empty' | 'required' | 'open'

/** The cells of a row that speak of it, as text without marks. */
export interface PresetCells {
  name: string
  description: string
  /** Of the column Default or Value. */
  preset: string
  /** The same as it is written: a cell of empty backticks is an empty text, one of nothing says nothing. */
  written: string
  /** Of a column Required. */
  required: string
}

/** Words end with the cell, or with a mark behind which a remark stands: "none (all of them)", "required: a URL". */
const thenRemark = '(?=[\\W_]*$|\\s*[(:;,.–—]|\\s+-)'
const saysRequired = new RegExp(
  `^[\\W_]*((required|mandatory|tbd|no default|must be (given|set|provided)|(user|caller)[- ](provided|supplied))${thenRemark}|(provided|given|supplied) by\\b)`,
  'i',
)
const saysEmpty = new RegExp(
  `^[\\W_]*(optional\\b|(none|null|nil|n/a|undefined|unset|not set|unspecified|empty|empty string|blank|omitted|left out)${thenRemark})`,
  'i',
)
/** "None (must be given)" is no permission. */
const takesBack = /\b(required|mandatory|must|has to)\b/i
const dashes = /^[-–—−]+(\s*\([^()]*\))?$/
const emptyQuotes = /^(""|''|“”|‘’|«»)$/
const emptyCode = /^(`{2,}|`\s+`)$/
const holder = /^([_.?*]+|<[^<>]*>)$/

const yes = /^\W*(yes|y|true|required|mandatory|always|x)\b|^[✓✔✅]/i
const no = /^\W*(no|n|false|optional|never)\b|^[✗✘❌–—-]/i

/** A remark in brackets, or at the beginning as a sentence of its own; "required if …" is none. */
const remark = (word: string): RegExp =>
  new RegExp(`[([]\\s*${word}\\s*[)\\],;:.–—-]|^\\W*${word}\\s*([.:;,–—-]|$)`, 'i')
const remarksRequired = remark('(required|mandatory)')
const remarksOptional = remark('optional')

/** What the other cells of the row say. */
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

/** Reads a row. Its default counts first; where that is no value, one word `required` anywhere in the row outweighs the rest. */
export const presetKindOf = (cells: PresetCells): PresetKind => {
  const kind = ofPreset(cells)
  if (kind === 'value' || kind === 'required') return kind
  const mark = markOf(cells)
  if (mark === 'required') return 'required'
  return mark === 'optional' ? 'empty' : kind
}
