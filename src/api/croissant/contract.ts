import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'

/** A fault in a Croissant document, or advice about it. */
const croissantFindingSchema = z
  .object({
    pointer: z.string().describe('JSON Pointer of the place in the document; empty for the document itself.'),
    node: z
      .string()
      .nullable()
      .describe('The node and those it is in, such as `Metadata(iris) > RecordSet(flowers) > Field(id)`.'),
    rule: z.string().describe('Name of the rule, such as `reference`.'),
    severity: z.enum(['error', 'warning']),
    message: z.string(),
    fix: z.string().describe('What to do about it.'),
  })
  .meta({ id: 'CroissantFinding' })

/** The report about a Croissant file. */
const croissantReportSchema = z
  .object({
    filename: z.string(),
    overall_passed: z.boolean().describe('Whether the file has no error; warnings do not count.'),
    steps: z
      .array(
        z.object({
          name: z.string(),
          passed: z.boolean(),
          message: z.string(),
          details: z.string().nullable(),
        }),
      )
      .describe('JSON, then the rules of Croissant, then the records. The first step that fails is the last.'),
    json_reference: z.unknown().describe('The document; a text when it is no JSON.'),
    errors: z.array(croissantFindingSchema),
    warnings: z.array(croissantFindingSchema),
  })
  .meta({ id: 'CroissantReport' })

export const croissantContract = {
  validateCroissant: endpoint({
    method: 'POST',
    path: '/api/v1/datasets/mlcroissant-validation',
    summary: 'Validate a Croissant file of version 1.0 or 1.1; also a file with errors gets a report and status 200',
    tag: 'Datasets',
    access: 'none',
    body: z.object({}),
    form: true,
    files: ['file'],
    heldFileBytes: 4 * 1024 * 1024,
    audited: false,
    response: croissantReportSchema,
    errors: ['busy'],
  }),
}
