"""DAGs and tasks that Airflow imports. Importing the package alone does not import Airflow."""
