import { endpoint } from '../../http/endpoint.ts'

export const metricsContract = {
  getMetrics: endpoint({
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics of this process in the format of Prometheus',
    tag: 'Server',
    access: 'admin',
    response: 'text',
  }),
}
