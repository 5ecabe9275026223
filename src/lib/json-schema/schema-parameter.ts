import { z } from 'zod'
import { misspeltTypes, uncheckedByChecker } from './schema-keywords.ts'

const mostSchemaCharacters = 100_000

/** A JSON Schema as a parameter: bounded, and refused if a keyword of it cannot be right. */
export const schemaParameter = z
  .record(z.string(), z.unknown())
  .refine((schema) => JSON.stringify(schema).length <= mostSchemaCharacters, 'a schema has at most 100,000 characters')
  .superRefine((schema, context) => {
    for (const { keyword, inside, why } of uncheckedByChecker(schema).filter(({ isWrong }) => isWrong)) {
      context.addIssue({ code: 'custom', message: `'${keyword}' at ${inside.join('.')}: ${why}` })
    }
    for (const { inside, why } of misspeltTypes(schema)) {
      context.addIssue({ code: 'custom', message: `at ${inside.join('.')}: ${why}` })
    }
  })
