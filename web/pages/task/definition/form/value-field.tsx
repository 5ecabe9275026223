import { EntryField, type ValueFieldProps } from './entry-field.tsx'
import { PairsField } from './pairs-field.tsx'
import { SchemaField } from './schema-field.tsx'

/** A field for the value of a parameter, of the kind that the catalogue names. */
export const ValueField = (props: ValueFieldProps) => {
  const { field } = props
  if (field.input === 'pairs') return <PairsField {...props} />
  if (field.input === 'json' && field.language === 'json-schema') return <SchemaField {...props} />
  return <EntryField {...props} />
}
