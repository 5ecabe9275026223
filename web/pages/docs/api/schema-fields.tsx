import { useState } from 'react'
import { type ApiDocument, type ApiSchema, resolvedSchema, typeText } from './document.ts'

/** The named shape inside of a type, to look into: through lists and alternatives. */
const shapeIn = (schema: ApiSchema, document: ApiDocument): ApiSchema | undefined => {
  if (schema.$ref !== undefined || schema.allOf || schema.properties) {
    const found = resolvedSchema(schema, document)
    return found.properties ? found : undefined
  }
  const inner = schema.items ?? (schema.anyOf ?? schema.oneOf)?.find((one) => shapeIn(one, document))
  if (inner) return shapeIn(inner, document)
  return typeof schema.additionalProperties === 'object' ? shapeIn(schema.additionalProperties, document) : undefined
}

/** The members of a shape; shapes within open on demand. */
export const SchemaFields = ({ schema, document }: { schema: ApiSchema; document: ApiDocument }) => {
  const { properties = {}, required = [] } = shapeIn(schema, document) ?? {}
  const fields = Object.entries(properties)
  if (fields.length === 0) return <p className="text-muted">{typeText(schema)}</p>
  return (
    <dl className="flex flex-col gap-1.5">
      {fields.map(([name, field]) => (
        <div key={name}>
          <dt className="inline">
            <code className="font-mono text-12">{name}</code>
            <span className="text-12 text-muted"> {typeText(field)}</span>
            {required.includes(name) && <span className="text-12 text-muted"> · required</span>}
          </dt>
          {field.description && <dd className="text-12 text-muted">{field.description}</dd>}
          {shapeIn(field, document) && (
            <dd>
              <Inner schema={field} document={document} />
            </dd>
          )}
        </div>
      ))}
    </dl>
  )
}

const Inner = ({ schema, document }: { schema: ApiSchema; document: ApiDocument }) => {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="text-12 text-accent">Members</summary>
      <div className="border-line border-l py-1 pl-3">
        {isOpen && <SchemaFields schema={schema} document={document} />}
      </div>
    </details>
  )
}
