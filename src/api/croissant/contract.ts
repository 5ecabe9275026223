import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { croissantReportSchema } from '../../model/croissant.ts'

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
