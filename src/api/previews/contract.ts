import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'

/** The first rows of a data file. */
const filePreviewSchema = z
  .object({
    format: z.string().describe('parquet, csv, tsv, json, jsonl, zip or tar.gz.'),
    columns: z
      .array(
        z.object({
          name: z.string(),
          type: z
            .enum(['text', 'integer', 'number', 'boolean', 'datetime', 'object', 'list', 'mixed', 'empty', 'skipped'])
            .describe('`skipped` is a column whose first page is too large to be shown.'),
          nulls: z.int(),
          distinct: z.int(),
          min: z.union([z.string(), z.number()]).nullable(),
          max: z.union([z.string(), z.number()]).nullable(),
        }),
      )
      .describe('Facts about a column are those of the rows shown.'),
    rows: z.array(z.array(z.unknown())).describe('At most 100 rows, with a cell for each column; long texts are cut.'),
    row_count: z
      .int()
      .nullable()
      .describe('How many rows the file has, where it says so without being read as a whole.'),
    truncated: z.boolean().describe('Whether the file has more than is shown.'),
    members: z.array(z.object({ name: z.string(), size: z.int() })).describe('Members of an archive, at most 1,000.'),
    member: z.string().nullable().describe('The member of an archive that is shown: the first that can be.'),
  })
  .meta({ id: 'FilePreview' })

export const previewContract = {
  previewDatasetData: endpoint({
    method: 'GET',
    path: '/api/v1/datasets/{collection}/{dataset}/data/{number}/preview',
    summary:
      'The first rows of a data file: parquet, CSV, TSV, JSON, JSON lines, or the first such file in a tar.gz or zip',
    tag: 'Datasets',
    collectionMissing: "Collection with name '{collection}' not found",
    response: filePreviewSchema,
    errors: ['bad_request', 'storage_unavailable', 'busy'],
  }),
}
