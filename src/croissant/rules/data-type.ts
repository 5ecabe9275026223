import { readableTypes } from '../vocabulary.ts'
import { addError, type CroissantCheck } from './check.ts'
import type { Linked } from './links.ts'
import type { FieldModel } from './model.ts'

/** Whether a field has a type that says how to read it: its own, or that of the field it takes its values from. */
const hasReadableType = (field: FieldModel, index: ReadonlyMap<string, Linked>): boolean => {
  const passed = new Set<FieldModel>()
  for (let current: FieldModel | undefined = field; current && !passed.has(current); ) {
    if (current.subFields.length > 0 || current.types.some((type) => readableTypes.has(type))) return true
    passed.add(current)
    const origin: Linked | undefined = index.get(current.source?.origin?.id ?? '')
    current = origin?.kind === 'field' ? origin.field : undefined
  }
  return false
}

/** Reports fields without a data type. Fields with sub-fields need none. */
export const checkDataTypes = (
  check: CroissantCheck,
  nodes: readonly Linked[],
  index: ReadonlyMap<string, Linked>,
): void => {
  for (const node of nodes) {
    if (node.kind !== 'field' || hasReadableType(node.field, index)) continue
    const property = check.vocabulary.cr('dataType')
    const { types } = node.field
    const isPlainText = types.some((type) => /^(sc|cr):/.test(type))
    addError(check, node.subject, {
      rule: 'data-type',
      pointer: isPlainText ? '/@context/dataType' : node.field.node.properties.get(property)?.[0]?.pointer,
      message: `The field does not specify a valid ${property}, neither does any of its predecessor. Got: [${types.join(', ')}]`,
      fix: isPlainText
        ? 'Write {"dataType": {"@id": "cr:dataType", "@type": "@vocab"}} in the @context, so that its values are names of types.'
        : 'Add a "dataType" that says how to read the values, such as "sc:Text", "sc:Integer" or "cr:Float32".',
    })
  }
}
