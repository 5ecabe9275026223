// Installs what tests, benchmarks and the linter need, before an npm script that uses one of them.
import { install } from './prepare.mjs'

install('all')
