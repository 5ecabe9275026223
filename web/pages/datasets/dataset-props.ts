import type { Dataset } from '../../../src/model/data/dataset.ts'

/** What each tab of a dataset is given. */
export interface DatasetProps {
  collection: string
  dataset: Dataset
}
