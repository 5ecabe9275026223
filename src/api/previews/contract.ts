import { endpoint } from '../../http/endpoint.ts'
import { filePreviewSchema } from '../../model/data/file-preview.ts'

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
