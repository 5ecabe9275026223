/** JSON text that was written before, to be copied into an object without being parsed. */
export class WrittenJson {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Every member of `Shape`, optional ones included, as a value or as text. */
export type ObjectMembers<Shape> = { [Name in keyof Required<Shape>]: Shape[Name] | WrittenJson }

/**
 * Writes an object of a declared shape as JSON text, in the order of the members and without those that are undefined.
 * A member that the shape does not declare, or one that is missing, is a compile error.
 *
 * @example objectText<{ id: string; body: object }>({ id: 'a', body: new WrittenJson('{"large":1}') })
 */
export const objectText = <Shape extends object>(members: ObjectMembers<Shape>): string => {
  let text = ''
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined) continue
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${value instanceof WrittenJson ? value.text : JSON.stringify(value)}`
  }
  return `{${text}}`
}
