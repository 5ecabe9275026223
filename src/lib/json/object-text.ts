/** JSON text that was written before, to be copied into an object without being parsed. */
export class WrittenJson {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Every member of `Shape`, optional ones included, as a value or as text. */
export type ObjectMembers<Shape> = { [Name in keyof Required<Shape>]: Shape[Name] | WrittenJson }

/** The texts of member names. All of them are declared in this program, so there are a few hundred. */
const nameTexts = new Map<string, string>()

const nameText = (name: string): string => {
  const known = nameTexts.get(name)
  if (known !== undefined) return known
  const text = `${JSON.stringify(name)}:`
  nameTexts.set(name, text)
  return text
}

/** Numbers are most of what is not text: JSON has no others than these. */
const valueText = (value: unknown): string =>
  value === null || typeof value === 'boolean' || Number.isFinite(value) ? String(value) : JSON.stringify(value)

/**
 * Writes an object of a declared shape as JSON text, in the order of the members and without those that are undefined.
 * A member that the shape does not declare, or one that is missing, is a compile error.
 *
 * @example objectText<{ id: string; body: object }>({ id: 'a', body: new WrittenJson('{"large":1}') })
 */
export const objectText = <Shape extends object>(members: ObjectMembers<Shape>): string => {
  let text = ''
  for (const name in members) {
    const value: unknown = members[name]
    if (value === undefined) continue
    text += (text === '' ? '' : ',') + nameText(name) + (value instanceof WrittenJson ? value.text : valueText(value))
  }
  return `{${text}}`
}
